"""Rooms and affiliations."""

from __future__ import annotations

from storage.rows import Occupant, Room, RoomChanges
from storage.sql.database import Database

_GET = "SELECT created_at, is_persistent FROM rooms WHERE jid = $1"

_AFFILIATION = "SELECT affiliation FROM occupants WHERE room = $1 AND jid = $2"

_REMOVE_OCCUPANTS = "DELETE FROM occupants WHERE room = $1"

_REMOVE_NOT_BANNED = f"{_REMOVE_OCCUPANTS} AND heard_at < $2 AND affiliation <> 'outcast'"

_CREATE = """
INSERT INTO rooms (jid, created_at) VALUES ($1, $2)
ON CONFLICT (jid)
DO UPDATE SET
    created_at = greatest(rooms.created_at, excluded.created_at), is_persistent = 0
"""

_SET_PERSISTENT = """
INSERT INTO rooms (jid, is_persistent) VALUES ($1, $2)
ON CONFLICT (jid) DO UPDATE SET is_persistent = excluded.is_persistent
"""

# An affiliation that is stored already writes nothing.
_SET_OCCUPANT = """
INSERT INTO occupants (room, jid, affiliation, heard_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (room, jid)
DO UPDATE SET affiliation = excluded.affiliation, heard_at = excluded.heard_at
WHERE occupants.affiliation <> excluded.affiliation
    OR occupants.heard_at <> excluded.heard_at
"""

_REMOVE = """
UPDATE occupants SET affiliation = $3, heard_at = $4
WHERE room = $1 AND jid = $2 AND affiliation IN ('member', 'admin', 'owner')
"""


class SqlRooms:
    """`storage.interface.RoomsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, room: str) -> Room:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, room)
        return Room(created_at=rows[0][0], is_persistent=bool(rows[0][1])) if rows else Room()

    async def affiliation(self, room: str, jid: str) -> str | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_AFFILIATION, room, jid)
        return str(rows[0][0]) if rows else None

    async def change(self, changes: RoomChanges) -> None:
        room, created_at = changes.room, changes.created_at
        async with self._database.write() as connection:
            if created_at is not None and changes.keep_banned:
                await connection.execute(_REMOVE_NOT_BANNED, room, created_at)
            elif created_at is not None:
                await connection.execute(_REMOVE_OCCUPANTS, room)
            if created_at is not None:
                await connection.execute(_CREATE, room, created_at)
            if changes.is_persistent is not None:
                await connection.execute(_SET_PERSISTENT, room, int(changes.is_persistent))
            await connection.executemany(_SET_OCCUPANT, map(_occupant, changes.occupants))
            await connection.executemany(_REMOVE, map(_occupant, changes.removed))


def _occupant(occupant: Occupant) -> tuple[str, str, str, int]:
    return occupant.room, occupant.jid, occupant.affiliation, occupant.heard_at
