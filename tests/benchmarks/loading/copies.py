"""Large stores in a short time: the store writes one archive, and SQL copies its rows.

The names of all owners have the same length, so a copy differs in nothing but its owner.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks.loading import muniment
from benchmarks.servers.ejabberd import HOST

#: The greatest number of messages that one transaction copies.
BATCH = 100_000

# The archive that is copied has the number 1, because it is the first one of a new store. `copies`
# is the outer table, so that rows are inserted in the order of their keys.
_TABLES = (
    """
    INSERT INTO owners (number, jid, last_sequence, messages, bytes, latest_at)
    SELECT copies.number, copies.owner || '@HOST', last_sequence, messages, bytes, latest_at
    FROM copies CROSS JOIN owners WHERE owners.number = 1
    """,
    """
    INSERT INTO archive (owner, sequence, at, peer, resource, type, direction, kind, nick,
        dedup_key, xml, lateness, stanza_id, author)
    SELECT copies.number, sequence, at, peer, resource, type, direction, kind, nick,
        dedup_key, replace(xml, 'ORIGINAL@', copies.owner || '@'), lateness, stanza_id, author
    FROM copies CROSS JOIN archive WHERE archive.owner = 1
    """,
    """
    INSERT INTO counters (owner, series, bucket_size, bucket, messages)
    SELECT copies.number, series, bucket_size, bucket, messages
    FROM copies CROSS JOIN counters WHERE counters.owner = 1
    """,
    """
    INSERT INTO conversations (owner, peer, newest, seen)
    SELECT copies.number, peer, newest, seen
    FROM copies CROSS JOIN conversations WHERE conversations.owner = 1
    """,
)

# Each word begins with the number of its owner, in hexadecimal digits.
_INDEX = (
    """
    INSERT INTO fulltext (rowid, text, peer, links)
    SELECT (copies.number << 40) + fulltext.rowid - (1 << 40),
        substr(replace(' ' || text, ' 1_', printf(' %x_', copies.number)), 2),
        substr(replace(' ' || peer, ' 1_', printf(' %x_', copies.number)), 2),
        substr(replace(' ' || links, ' 1_', printf(' %x_', copies.number)), 2)
    FROM copies CROSS JOIN fulltext WHERE fulltext.rowid BETWEEN 1 << 40 AND (2 << 40) - 1
    """,
)


def owner(number: int) -> str:
    """Return the local part of the owner of an archive; the first one has the number 0."""
    return f"owner{number:06d}"


async def fill(database: Path, archives: int, size: int) -> None:
    """Write archives of one size into a new file, or go on where a call was interrupted."""
    if not database.exists():
        await muniment.fill(database, {owner(0): size})
    statements = [*map(_of, _TABLES), *_INDEX]
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = off")
        [[existing]] = connection.execute("SELECT count(*) FROM owners")
        connection.execute("CREATE TEMPORARY TABLE copies (number INTEGER PRIMARY KEY, owner)")
        for numbers in _batches(existing, archives, size):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO copies VALUES (?, ?)",
                [(1 + number, owner(number)) for number in numbers],
            )
            for sql in statements:
                connection.execute(sql)
            connection.execute("DELETE FROM copies")
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(first: int, archives: int, size: int) -> list[range]:
    """Return the numbers of the owners whose archives are copied, for each transaction."""
    at_once = max(1, BATCH // size)
    return [range(n, min(n + at_once, archives)) for n in range(first, archives, at_once)]


def _of(sql: str) -> str:
    return sql.replace("HOST", HOST).replace("ORIGINAL", owner(0))
