"""Gaps of all archives, and until when copies of stanzas were received."""

from __future__ import annotations

from storage.rows import SEVERAL, Gap
from storage.sql.database import Connection, Database

_LIST = "SELECT number, begins_at, ends_at, reason, filled_at FROM gaps ORDER BY begins_at, number"

_ADD = """
INSERT INTO gaps (number, begins_at, ends_at, reason, filled_at)
SELECT coalesce(max(number), 0) + 1, CAST($1 AS bigint), CAST($2 AS bigint), CAST($3 AS text),
    CAST($4 AS bigint)
FROM gaps
"""

_JOIN = """
UPDATE gaps SET begins_at = $1, ends_at = $2, reason = $3, filled_at = $4 WHERE number = $5
"""

_REMOVE = "DELETE FROM gaps WHERE number = $1"

_FILL = "UPDATE gaps SET filled_at = $1 WHERE number = $2"

_RECEIVED = "SELECT until_at FROM received WHERE name = 'copies'"

_NOTE_RECEIVED = """
INSERT INTO received (name, until_at) VALUES ('copies', $1)
ON CONFLICT (name) DO UPDATE SET until_at = greatest(received.until_at, excluded.until_at)
"""


class SqlGaps:
    """`storage.interface.GapsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def received_until(self) -> int:
        async with self._database.read() as connection:
            rows = await connection.fetch(_RECEIVED)
        return int(rows[0][0]) if rows else 0

    async def note_received(self, until: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(_NOTE_RECEIVED, until)

    async def list(self) -> tuple[Gap, ...]:
        async with self._database.read() as connection:
            return await _list(connection)

    async def add(self, gap: Gap, *, limit: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(_ADD, gap.begins_at, gap.ends_at, gap.reason, gap.filled_at)
            await connection.execute(_NOTE_RECEIVED, gap.ends_at)
            gaps = await _list(connection)
            if len(gaps) > limit:
                await _join(connection, *gaps[:2])

    async def fill(self, number: int, *, at: int) -> bool:
        async with self._database.write() as connection:
            return await connection.change(_FILL, at, number) > 0


async def _list(connection: Connection) -> tuple[Gap, ...]:
    return tuple(
        Gap(number=row[0], begins_at=row[1], ends_at=row[2], reason=row[3], filled_at=row[4])
        for row in await connection.fetch(_LIST)
    )


async def _join(connection: Connection, first: Gap, second: Gap) -> None:
    """Replace two gaps by one that spans both, and is filled if both are."""
    is_filled = first.filled_at and second.filled_at
    ends = [gap.ends_at for gap in (first, second) if gap.ends_at is not None]
    await connection.execute(_REMOVE, first.number)
    await connection.execute(
        _JOIN,
        first.begins_at,
        max(ends),
        first.reason if first.reason == second.reason else SEVERAL,
        max(first.filled_at, second.filled_at) if is_filled else 0,
        second.number,
    )
