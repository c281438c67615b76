"""The store of small things beside messages: SQL beside its method, as in `storage.archive`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.database import Database
from storage.rows import Deed, Hold, Occupant, Preferences, Rule

_PREFERENCES = "SELECT owner, usual, always, never FROM preferences ORDER BY owner"

_SET_PREFERENCES = """
INSERT INTO preferences (owner, usual, always, never) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner) DO UPDATE SET
    usual = excluded.usual, always = excluded.always, never = excluded.never
"""

_RULES = "SELECT owner, peer, days, messages, bytes FROM rules ORDER BY owner, peer"

_SET_RULE = """
INSERT INTO rules (owner, peer, days, messages, bytes) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, peer) DO UPDATE SET
    days = excluded.days, messages = excluded.messages, bytes = excluded.bytes
"""

_DROP_RULE = "DELETE FROM rules WHERE owner = $1 AND peer = $2"

_HOLDS = "SELECT subject, reason, ordered, at FROM holds ORDER BY subject"

_SET_HOLD = """
INSERT INTO holds (subject, reason, ordered, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (subject) DO UPDATE SET
    reason = excluded.reason, ordered = excluded.ordered, at = excluded.at
"""

_DROP_HOLD = "DELETE FROM holds WHERE subject = $1"

_DEEDS = """
SELECT number, at, actor, action, subject, detail FROM deeds
WHERE number < $1 ORDER BY number DESC LIMIT $2
"""

_DEEDS_OF = """
SELECT number, at, actor, action, subject, detail FROM deeds
WHERE number < $1 AND subject = $3 ORDER BY number DESC LIMIT $2
"""

_OCCUPANTS = "SELECT room, jid, affiliation FROM occupants ORDER BY room, jid"

_SET_OCCUPANT = """
INSERT INTO occupants (room, jid, affiliation) VALUES ($1, $2, $3)
ON CONFLICT (room, jid) DO UPDATE SET affiliation = excluded.affiliation
"""

_ROOMS = "SELECT jid, made FROM rooms WHERE made > 0 ORDER BY jid"

_PERSISTENT_ROOMS = "SELECT jid FROM rooms WHERE is_persistent = 1"

_LEAVE = "DELETE FROM occupants WHERE room = $1"

_SET_ROOM = """
INSERT INTO rooms (jid, made) VALUES ($1, $2)
ON CONFLICT (jid) DO UPDATE SET made = excluded.made, is_persistent = 0
"""

_SET_PERSISTENT = """
INSERT INTO rooms (jid, is_persistent) VALUES ($1, $2)
ON CONFLICT (jid) DO UPDATE SET is_persistent = excluded.is_persistent
"""

#: Behind every line of the audit log.
_END = 2**63 - 1


class SqlRecords:
    """`storage.interface.Records` over a Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def preferences(self) -> tuple[Preferences, ...]:
        """Return the preferences of all users that have set any."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_PREFERENCES)
        return tuple(
            Preferences(owner=row[0], default=row[1], always=_split(row[2]), never=_split(row[3]))
            for row in rows
        )

    async def set_preferences(self, preferences: Preferences) -> None:
        """Keep preferences in the place of the owner's last ones."""
        always, never = _join(preferences.always), _join(preferences.never)
        await self._write(_SET_PREFERENCES, preferences.owner, preferences.default, always, never)

    async def rules(self) -> tuple[Rule, ...]:
        """Return every rule there is."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_RULES)
        return tuple(
            Rule(owner=row[0], peer=row[1], days=row[2], messages=row[3], bytes=row[4])
            for row in rows
        )

    async def set_rule(self, rule: Rule) -> None:
        """Keep a rule in the place of the one for the same owner and peer."""
        await self._write(_SET_RULE, rule.owner, rule.peer, rule.days, rule.messages, rule.bytes)

    async def drop_rule(self, owner: str, peer: str = "") -> None:
        """Forget a rule; it is fine when there is none."""
        await self._write(_DROP_RULE, owner, peer)

    async def holds(self) -> tuple[Hold, ...]:
        """Return every legal hold."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_HOLDS)
        return tuple(Hold(subject=row[0], reason=row[1], by=row[2], at=row[3]) for row in rows)

    async def set_hold(self, hold: Hold) -> None:
        """Keep a hold in the place of the one for the same subject."""
        await self._write(_SET_HOLD, hold.subject, hold.reason, hold.by, hold.at)

    async def drop_hold(self, subject: str) -> None:
        """Release a hold; it is fine when there is none."""
        await self._write(_DROP_HOLD, subject)

    async def deeds(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[Deed, ...]:
        """Return lines of the audit log, newest first, with smaller numbers than `before`."""
        end = _END if before is None else before
        async with self._database.read() as connection:
            if subject is None:
                rows = await connection.fetch(_DEEDS, end, limit)
            else:
                rows = await connection.fetch(_DEEDS_OF, end, limit, subject)
        return tuple(
            Deed(
                number=row[0],
                at=row[1],
                actor=row[2],
                action=row[3],
                subject=row[4],
                detail=row[5],
            )
            for row in rows
        )

    async def occupants(self) -> tuple[Occupant, ...]:
        """Return what was last known of every user in every room."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_OCCUPANTS)
        return tuple(Occupant(room=row[0], jid=row[1], affiliation=row[2]) for row in rows)

    async def set_occupant(self, occupant: Occupant) -> None:
        """Keep what is known of a user in a room in the place of what was."""
        await self._write(_SET_OCCUPANT, occupant.room, occupant.jid, occupant.affiliation)

    async def rooms(self) -> dict[str, int]:
        """Return when each room was made, as far as that is known."""
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.fetch(_ROOMS)}

    async def set_room(self, room: str, made: int) -> None:
        """Keep when a room was made; what users were in one of that name before is forgotten."""
        async with self._database.write() as connection:
            await connection.execute(_LEAVE, room)
            await connection.execute(_SET_ROOM, room, made)

    async def persistent_rooms(self) -> frozenset[str]:
        """Return the rooms that were last known to be persistent."""
        async with self._database.read() as connection:
            return frozenset(row[0] for row in await connection.fetch(_PERSISTENT_ROOMS))

    async def set_persistent(self, room: str, is_persistent: bool) -> None:
        """Keep whether a room stays when nobody is in it."""
        await self._write(_SET_PERSISTENT, room, int(is_persistent))

    async def _write(self, sql: str, *values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(sql, *values)


def _join(jids: Sequence[str]) -> str:
    return json.dumps(jids, ensure_ascii=False)


def _split(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
