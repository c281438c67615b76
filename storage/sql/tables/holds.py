"""Legal holds."""

from __future__ import annotations

from storage.processes import Topic
from storage.rows import Hold
from storage.sql.database import Connection, Database

_LIST = "SELECT subject, reason, ordered_by, at FROM holds ORDER BY subject"

_SET = """
INSERT INTO holds (subject, reason, ordered_by, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (subject) DO UPDATE SET
    reason = excluded.reason, ordered_by = excluded.ordered_by, at = excluded.at
"""

_REMOVE = "DELETE FROM holds WHERE subject = $1"

_HELD = "SELECT 1 FROM holds WHERE subject = ANY($1) LIMIT 1"


class SqlHolds:
    """`storage.interface.HoldsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> tuple[Hold, ...]:
        async with self._database.read() as connection:
            rows = await connection.fetch(_LIST)
        return tuple(Hold(subject=row[0], reason=row[1], by=row[2], at=row[3]) for row in rows)

    async def set(self, hold: Hold) -> None:
        await self._write(_SET, hold.subject, hold.reason, hold.by, hold.at)

    async def remove(self, subject: str) -> None:
        await self._write(_REMOVE, subject)

    async def _write(self, sql: str, *values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(sql, *values)
            await connection.notify(Topic.HOLDS)


async def is_held(connection: Connection, owner: str) -> bool:
    """Return whether a hold is on an owner, on its domain or on a parent of that domain.

    Each transaction that deletes asks: another process may have set a hold a moment ago.
    """
    labels = owner.rpartition("@")[2].split(".")
    domains = [".".join(labels[place:]) for place in range(len(labels))]
    return bool(await connection.fetch(_HELD, [owner, *domains]))
