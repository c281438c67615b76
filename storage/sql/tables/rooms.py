"""Rooms and affiliations."""

from __future__ import annotations

from collections.abc import Mapping

from storage.processes import Topic
from storage.rows import Membership, Occupant, Room, RoomChanges, RoomInvitation
from storage.sql.database import Database, Row

_GET = "SELECT created_at, is_persistent, name FROM rooms WHERE jid = $1"

_AFFILIATION = "SELECT affiliation FROM occupants WHERE room = $1 AND jid = $2"

_REMOVE_OCCUPANTS = "DELETE FROM occupants WHERE room = $1"

_REMOVE_NOT_BANNED = f"{_REMOVE_OCCUPANTS} AND heard_at < $2 AND affiliation <> 'outcast'"

_CREATE = """
INSERT INTO rooms (jid, created_at) VALUES ($1, $2)
ON CONFLICT (jid)
DO UPDATE SET
    created_at = greatest(rooms.created_at, excluded.created_at), is_persistent = 0, name = ''
"""

_SET_PERSISTENT = """
INSERT INTO rooms (jid, is_persistent) VALUES ($1, $2)
ON CONFLICT (jid) DO UPDATE SET is_persistent = excluded.is_persistent
"""

_SET_NAME = """
INSERT INTO rooms (jid, name) VALUES ($1, $2)
ON CONFLICT (jid) DO UPDATE SET name = excluded.name
"""

# When a member was removed; a user who had left before was no member any more.
_LOST_AT = """
CASE WHEN EXISTS (SELECT 1 FROM departures WHERE room = $1 AND jid = $2) THEN 0 ELSE $5 END
"""

# An affiliation that is stored already writes nothing.
_SET_OCCUPANT = f"""
INSERT INTO occupants (room, jid, affiliation, heard_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (room, jid)
DO UPDATE SET
    affiliation = excluded.affiliation,
    heard_at = excluded.heard_at,
    lost_at = CASE
        WHEN excluded.affiliation IN ('member', 'admin', 'owner') THEN 0
        WHEN occupants.affiliation IN ('member', 'admin', 'owner') THEN {_LOST_AT}
        ELSE occupants.lost_at
    END
WHERE occupants.affiliation <> excluded.affiliation
    OR occupants.heard_at <> excluded.heard_at
"""  # noqa: S608 - constant words

_REMOVE = f"""
UPDATE occupants SET affiliation = $3, heard_at = $4, lost_at = {_LOST_AT}
WHERE room = $1 AND jid = $2 AND affiliation IN ('member', 'admin', 'owner')
"""  # noqa: S608 - constant words

_MEMBERSHIPS = """
SELECT occupants.room, occupants.jid, affiliation, coalesce(name, ''), coalesce(created_at, 0)
FROM occupants LEFT JOIN rooms ON rooms.jid = occupants.room
WHERE occupants.jid = $1 AND affiliation IN ('member', 'admin', 'owner')
    AND NOT EXISTS (
        SELECT 1 FROM departures
        WHERE departures.room = occupants.room AND departures.jid = occupants.jid
    )
ORDER BY occupants.room
"""

_MEMBERS = """
SELECT occupants.room, occupants.jid, affiliation, coalesce(name, ''), coalesce(created_at, 0)
FROM occupants LEFT JOIN rooms ON rooms.jid = occupants.room
WHERE occupants.room = $1 AND affiliation IN ('member', 'admin', 'owner')
ORDER BY occupants.jid
"""

_LOST = """
SELECT room, lost_at FROM occupants WHERE jid = $1 AND lost_at > 0 ORDER BY lost_at DESC LIMIT $2
"""

_DEPARTED = "SELECT jid FROM departures WHERE room = $1"

_DEPART = "INSERT INTO departures (room, jid) VALUES ($1, $2) ON CONFLICT (room, jid) DO NOTHING"

_RETURN = "DELETE FROM departures WHERE room = $1 AND jid = $2"

_DELETE_DEPARTURES = "DELETE FROM departures WHERE room = $1"

_INVITE = """
INSERT INTO invitations (token_hash, room, inviter, expires_at) VALUES ($1, $2, $3, $4)
"""

_DELETE_EXPIRED = "DELETE FROM invitations WHERE expires_at <= $1"

_DELETE_INVITATIONS = "DELETE FROM invitations WHERE room = $1"

_INVITATION = """
SELECT token_hash, room, inviter, expires_at FROM invitations WHERE token_hash = $1
"""


class SqlRooms:
    """`storage.interface.RoomsStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, room: str) -> Room:
        async with self._database.read() as connection:
            rows = await connection.fetch(_GET, room)
        if not rows:
            return Room()
        created_at, is_persistent, name = rows[0]
        return Room(created_at=created_at, is_persistent=bool(is_persistent), name=name)

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
                for sql in (_DELETE_DEPARTURES, _DELETE_INVITATIONS):
                    await connection.execute(sql, room)
            if changes.is_persistent is not None:
                await connection.execute(_SET_PERSISTENT, room, int(changes.is_persistent))
            if changes.name is not None:
                await connection.execute(_SET_NAME, room, changes.name)
            await connection.executemany(_SET_OCCUPANT, map(_occupant, changes.occupants))
            await connection.executemany(_REMOVE, map(_occupant, changes.removed))
            if created_at is not None or changes.name is not None:
                # The other processes see affiliations themselves.
                await connection.notify(Topic.ROOMS, [room])

    async def memberships(self, jid: str) -> tuple[Membership, ...]:
        return await self._memberships(_MEMBERSHIPS, jid)

    async def members(self, room: str) -> tuple[Membership, ...]:
        return await self._memberships(_MEMBERS, room)

    async def lost(self, jid: str, *, limit: int) -> Mapping[str, int]:
        async with self._database.read() as connection:
            return {room: at for room, at in await connection.fetch(_LOST, jid, limit)}

    async def departed(self, room: str) -> frozenset[str]:
        async with self._database.read() as connection:
            return frozenset(row[0] for row in await connection.fetch(_DEPARTED, room))

    async def set_departed(self, room: str, jid: str, has_left: bool) -> None:
        async with self._database.write() as connection:
            await connection.execute(_DEPART if has_left else _RETURN, room, jid)
            await connection.notify(Topic.ROOMS, [room, jid])

    async def invite(self, invitation: RoomInvitation, *, at: int) -> None:
        async with self._database.write() as connection:
            await connection.execute(_DELETE_EXPIRED, at)
            await connection.execute(
                _INVITE,
                invitation.token_hash,
                invitation.room,
                invitation.inviter,
                invitation.expires_at,
            )

    async def invitation(self, token_hash: bytes) -> RoomInvitation | None:
        async with self._database.read() as connection:
            rows = await connection.fetch(_INVITATION, token_hash)
        if not rows:
            return None
        hash, room, inviter, expires_at = rows[0]
        return RoomInvitation(
            token_hash=bytes(hash), room=room, inviter=inviter, expires_at=expires_at
        )

    async def _memberships(self, sql: str, value: str) -> tuple[Membership, ...]:
        async with self._database.read() as connection:
            return tuple(map(_membership, await connection.fetch(sql, value)))


def _membership(row: Row) -> Membership:
    return Membership(room=row[0], jid=row[1], affiliation=row[2], name=row[3], created_at=row[4])


def _occupant(occupant: Occupant) -> tuple[str, str, str, int, int]:
    return (
        occupant.room,
        occupant.jid,
        occupant.affiliation,
        occupant.heard_at,
        occupant.lost_at,
    )
