"""The conversations of an archive: kept up as messages come and go, and listed."""

from __future__ import annotations

from collections.abc import Iterable

from storage.database import Connection, Row
from storage.queries import COLUMNS
from storage.rows import UNREAD_MAX
from storage.tallies import all_sql

_NOTE = """
INSERT INTO conversations (owner, peer, last, seen) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner, peer) DO UPDATE SET last = excluded.last, seen = max(seen, excluded.seen)
"""

_GO_BACK = """
UPDATE conversations SET last = coalesce(
    (SELECT max(sequence) FROM archive WHERE owner = $1 AND peer = $2), 0
)
WHERE owner = $1 AND peer = $2
"""

_CLOSE = "DELETE FROM conversations WHERE owner = $1 AND peer = $2 AND last = 0"

# What costs something is found out of those only that are listed.
_LIST = f"""
WITH listed AS MATERIALIZED (
    SELECT peer AS other, last AS newest, coalesce($3, seen) AS seen
    FROM conversations WHERE owner = $1 AND last < $2 ORDER BY last DESC LIMIT $4
)
SELECT
    other,
    newest,
    {all_sql("other", "other")},
    (SELECT count(*) FROM (
        SELECT 1 FROM archive AS behind
        WHERE owner = $1 AND peer = other AND sequence > seen
            AND direction = 'recv' AND kind = 'message'
        LIMIT {UNREAD_MAX}
    )),
    {COLUMNS}
FROM listed CROSS JOIN archive ON owner = $1 AND sequence = coalesce((
    SELECT sequence FROM archive AS spoken
    WHERE owner = $1 AND peer = other AND kind IN ('message', 'tombstone')
    ORDER BY sequence DESC LIMIT 1
), newest)
ORDER BY newest DESC
"""  # noqa: S608 - constant words


async def came(connection: Connection, rows: Iterable[tuple[int, int, str, int]]) -> None:
    """Note messages in their order: number of the owner, sequence, peer.

    The last is up to which sequence each shows that the owner has read, 0 where it shows nothing.
    """
    last: dict[tuple[int, str], int] = {}
    seen: dict[tuple[int, str], int] = {}
    for number, sequence, peer, shown in rows:
        key = number, peer
        last[key] = sequence
        if shown:
            seen[key] = max(shown, seen.get(key, 0))
    await connection.executemany(
        _NOTE, [(*key, sequence, seen.get(key, 0)) for key, sequence in last.items()]
    )


async def went(connection: Connection, keys: Iterable[tuple[int, str]]) -> None:
    """Look again for the newest message of conversations: number of the owner, and peer."""
    changed = sorted(set(keys))
    await connection.executemany(_GO_BACK, changed)
    await connection.executemany(_CLOSE, changed)


async def listed(
    connection: Connection, number: int, *, before: int, since: int | None, limit: int
) -> list[Row]:
    """Return (peer, newest, kept, unread, the last that says something) of each."""
    return await connection.fetch(_LIST, number, before, since, limit)
