"""Verifies a store: what it counts, orders and indexes agrees with the messages that it has.

The statements run on every engine, for one archive at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from storage.sql.database import Connection
from storage.sql.messages.counter_updates import GROUPCHAT, LONG, PEOPLE, SHORT
from storage.sql.messages.ids import KEY_BYTES
from storage.sql.moving.importing import IMPORT_ROOM
from storage.sql.moving.tables import Tables

#: The number of archives, or of messages, that one query reads.
BATCH = 500

_KEY = "SELECT value FROM secrets WHERE name = 'ids'"

_OWNERS = """
SELECT number, jid, messages, bytes, last_sequence, latest_at, last_imported, imported_at
FROM owners WHERE number > $1 ORDER BY number LIMIT $2
"""

_STRAY = """
SELECT owner FROM {table} WHERE NOT EXISTS (SELECT 1 FROM owners WHERE number = owner) LIMIT 1
"""

_SUMS = f"""
SELECT count(*), CAST(coalesce(sum(octet_length(xml)), 0) AS bigint), coalesce(max(sequence), 0),
    coalesce(max(at), 0),
    coalesce(max(CASE WHEN sequence <= {IMPORT_ROOM} THEN sequence END), 0)
FROM archive WHERE owner = $1
"""  # noqa: S608 - a constant

_BUCKETS = """
SELECT {series}, sequence / $2, count(*) FROM archive
WHERE owner = $1 AND ({condition}) GROUP BY {series}, sequence / $2
"""

_COUNTERS = """
SELECT series, bucket, messages FROM counters WHERE owner = $1 AND bucket_size = $2
"""

_CONVERSATIONS = """
SELECT peer, newest FROM conversations WHERE owner = $1
"""

_NEWEST = "SELECT peer, max(sequence) FROM archive WHERE owner = $1 GROUP BY peer"

_SEQUENCES = """
SELECT sequence, kind FROM archive WHERE owner = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""

_LOST = """
SELECT sequence FROM {table} AS lost WHERE owner = $1
    AND NOT EXISTS (SELECT 1 FROM archive WHERE owner = $1 AND sequence = lost.sequence) LIMIT 1
"""

#: Tables whose rows belong to a message.
_OF_MESSAGES = ("old_ids", "unfinished_retractions")

_OF_OWNERS = (
    "archive",
    "counters",
    "conversations",
    "old_ids",
    "journals",
    "journal",
    "reserved_sequences",
)

_USED = """
SELECT sequence FROM reserved_sequences AS reserved JOIN archive
    ON archive.owner = reserved.owner AND sequence BETWEEN next_sequence AND last_sequence
WHERE reserved.owner = $1 LIMIT 1
"""

#: Called with a number of messages.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a store that contradicts the rest of it."""

    where: str  #: an archive, or a table
    what: str


@dataclass(frozen=True, slots=True)
class _Owner:
    number: int
    jid: str
    messages: int
    bytes: int
    last_sequence: int
    latest_at: int
    last_imported: int
    imported_at: int


async def messages(connection: Connection) -> int:
    """Return the number of messages that the store counts."""
    rows = await connection.fetch("SELECT CAST(coalesce(sum(messages), 0) AS bigint) FROM owners")
    return int(rows[0][0])


async def faults(
    connection: Connection, tables: Tables, progress: Progress = lambda _: None
) -> list[Fault]:
    """Return the faults of a store. All reads have to be of one snapshot."""
    found: list[Fault] = []
    rows = await connection.fetch(_KEY)
    if not rows or len(rows[0][0]) != KEY_BYTES:
        found.append(Fault("secrets", "the key of the ids is missing"))
    for table in _OF_OWNERS:
        if stray := await connection.fetch(_STRAY.format(table=table)):
            found.append(Fault(table, f"it has rows of an unknown owner {stray[0][0]}"))
    last = 0
    while owners := await connection.fetch(_OWNERS, last, BATCH):
        for row in owners:
            owner = _Owner(*row)
            found += [Fault(owner.jid, what) for what in await _of(connection, tables, owner)]
            progress(owner.messages)
        last = owners[-1][0]
    return found


async def _of(connection: Connection, tables: Tables, owner: _Owner) -> list[str]:
    """Return the faults of one archive."""
    found = await _sums(connection, owner)
    for size in (SHORT, LONG):
        if await _counters(connection, owner.number, size) != await _buckets(
            connection, owner.number, size
        ):
            found.append(f"its counters of {size} sequences are wrong")
    newest = dict(map(tuple, await connection.fetch(_NEWEST, owner.number)))
    if dict(map(tuple, await connection.fetch(_CONVERSATIONS, owner.number))) != newest:
        found.append("its conversations do not have the newest messages")
    for table in _OF_MESSAGES:
        if lost := await connection.fetch(_LOST.format(table=table), owner.number):
            found.append(f"{table} has a row of a message that is gone ({lost[0][0]})")
    if used := await connection.fetch(_USED, owner.number):
        found.append(f"the message {used[0][0]} has a sequence that is reserved for a gap")
    if (wrong := await _index(connection, tables, owner.number)) is not None:
        found.append(f"the index has a wrong row for the message {wrong}")
    return found


async def _sums(connection: Connection, owner: _Owner) -> list[str]:
    """Return what is wrong with the numbers in the row of the owner."""
    found: list[str] = []
    [[count, octets, highest, latest_at, imported]] = await connection.fetch(_SUMS, owner.number)
    if (count, octets) != (owner.messages, owner.bytes):
        found.append(
            f"it counts {owner.messages} messages of {owner.bytes} bytes, and has {count} of"
            f" {octets} bytes"
        )
    if highest > owner.last_sequence:
        found.append(f"a message has the sequence {highest}, beyond {owner.last_sequence}")
    if latest_at > owner.latest_at:
        found.append("a message is newer than the latest time that was noted")
    if owner.last_sequence >= IMPORT_ROOM and imported > owner.last_imported:
        found.append("a message is behind the last imported one, and before those that arrived")
    return found


async def _counters(connection: Connection, number: int, size: int) -> dict[object, int]:
    rows = await connection.fetch(_COUNTERS, number, size)
    return {(row[0], row[1]): row[2] for row in rows}


async def _buckets(connection: Connection, number: int, size: int) -> dict[object, int]:
    """Return what the counters have to be."""
    buckets: dict[object, int] = {}
    series = f"CASE WHEN type = 'groupchat' THEN '{GROUPCHAT}' ELSE '{PEOPLE}' END"
    for sql in (
        _BUCKETS.format(series=series, condition="1 = 1"),
        _BUCKETS.format(series="peer", condition=f"peer <> '{PEOPLE}' AND peer <> '{GROUPCHAT}'"),
    ):
        for name, bucket, count in await connection.fetch(sql, number, size):
            buckets[name, bucket] = count
    return buckets


async def _index(connection: Connection, tables: Tables, number: int) -> int | None:
    """Return the first sequence whose index row is wrong, None if there is none.

    A link leads to an earlier message, and a blanked message has no words.
    """
    last = 0
    while rows := await connection.fetch(_SEQUENCES, number, last, BATCH):
        kinds = {row[0]: row[1] for row in rows}
        for row in await tables.index_rows(connection, number, list(kinds)):
            has_words = bool(row.words) and kinds[row.sequence] == "blanked"
            if has_words or not 0 <= row.target < row.sequence:
                return row.sequence
        last = rows[-1][0]
    return await tables.stray_index_row(connection, number)
