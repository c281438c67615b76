"""Finds the messages of one conversation that are over the limits of a cutoff."""

from __future__ import annotations

from storage.rows import Cutoff, OverLimit
from storage.sql.database import Connection
from storage.sql.messages.counter_updates import CounterDelta
from storage.sql.retention.delete import DELTA_COLUMNS

#: Number of rows that one query reads.
CHUNK = 1000

#: Before any time, and after any sequence.
_NEVER, _BEYOND = -(2**63), 2**63 - 1

# Without statistics SQLite would read the whole archive instead of the index.
_AT_OFFSET = """
SELECT sequence FROM archive /* INDEXED BY archive_peer */
WHERE owner = $1 AND peer = $2 AND kind <> 'blanked'
ORDER BY sequence DESC LIMIT 1 OFFSET $3
"""

_NEWEST = """
SELECT sequence, octet_length(xml) FROM archive /* INDEXED BY archive_peer */
WHERE owner = $1 AND peer = $2 AND kind <> 'blanked' AND sequence < $3
ORDER BY sequence DESC LIMIT $4
"""

_OVER_LIMIT = f"""
SELECT {DELTA_COLUMNS} FROM archive /* INDEXED BY archive_peer */
WHERE owner = $1 AND peer = $2 AND kind <> 'blanked' AND (sequence <= $3 OR at < $4)
ORDER BY sequence LIMIT $5
"""  # noqa: S608 - constant words


_COUNT_OVER_LIMIT = """
SELECT count(*), min(at), max(at) FROM archive /* INDEXED BY archive_peer */
WHERE owner = $1 AND peer = $2 AND kind <> 'blanked' AND (sequence <= $3 OR at < $4)
"""


async def count_over_limit(
    connection: Connection, number: int, peer: str, cutoff: Cutoff, *, chunk: int = CHUNK
) -> OverLimit:
    """Return the number and the times of the messages with a peer that are over the limits."""
    edge, since = await _edge(connection, number, peer, cutoff, chunk)
    rows = await connection.fetch(_COUNT_OVER_LIMIT, number, peer, edge, since)
    [[messages, oldest, newest]] = rows
    return OverLimit(messages=messages, oldest=oldest, newest=newest)


async def oldest_over_limit(
    connection: Connection,
    number: int,
    peer: str,
    cutoff: Cutoff,
    limit: int,
    *,
    chunk: int = CHUNK,
) -> list[CounterDelta]:
    """Return up to `limit` of the oldest messages with a peer that are over the limits."""
    edge, since = await _edge(connection, number, peer, cutoff, chunk)
    rows = await connection.fetch(_OVER_LIMIT, number, peer, edge, since, limit)
    return [CounterDelta(*row) for row in rows]


async def _edge(
    connection: Connection, number: int, peer: str, cutoff: Cutoff, chunk: int
) -> tuple[int, int]:
    """Return the last sequence over the limits of number and size, and the earliest kept time."""
    edge = max(
        await _last_by_count(connection, number, peer, cutoff.messages),
        await _last_by_bytes(connection, number, peer, cutoff.bytes, chunk),
    )
    return edge, _NEVER if cutoff.since is None else cutoff.since


async def _last_by_count(
    connection: Connection, number: int, peer: str, messages: int | None
) -> int:
    """Return the newest sequence over the limit of number, 0 if there is none."""
    if messages is None:
        return 0
    rows = await connection.fetch(_AT_OFFSET, number, peer, messages)
    return int(rows[0][0]) if rows else 0


async def _last_by_bytes(
    connection: Connection, number: int, peer: str, octets: int | None, chunk: int
) -> int:
    """Return the newest sequence over the limit of size, 0 if there is none."""
    if octets is None:
        return 0
    place = _BEYOND
    while rows := await connection.fetch(_NEWEST, number, peer, place, chunk):
        for sequence, size in rows:
            octets -= size
            if octets < 0:
                return int(sequence)
        place = rows[-1][0]
    return 0
