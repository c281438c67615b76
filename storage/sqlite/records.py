"""The store of small things beside messages: SQL beside its method, as in `archive`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.rows import (
    AuditEntry,
    Hold,
    HostRetention,
    Occupant,
    PreferencesRow,
    Room,
    RoomChanges,
    Rule,
)
from storage.sqlite.engine.protocols import Database, Row

_PREFERENCES = "SELECT owner, default_policy, always, never FROM preferences WHERE owner = $1"

_ALL_PREFERENCES = """
SELECT owner, default_policy, always, never FROM preferences
WHERE owner > $1 ORDER BY owner LIMIT $2
"""

_SET_PREFERENCES = """
INSERT INTO preferences (owner, default_policy, always, never) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner) DO UPDATE SET
    default_policy = excluded.default_policy, always = excluded.always, never = excluded.never
"""

_RULES = "SELECT owner, peer, days, messages, bytes FROM rules ORDER BY owner, peer"

_SET_RULE = """
INSERT INTO rules (owner, peer, days, messages, bytes) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, peer) DO UPDATE SET
    days = excluded.days, messages = excluded.messages, bytes = excluded.bytes
"""

_DROP_RULE = "DELETE FROM rules WHERE owner = $1 AND peer = $2"

_CONFIRMED = "SELECT host, days, messages, bytes FROM confirmed_retention ORDER BY host"

_FORGET_CONFIRMED = "DELETE FROM confirmed_retention"

# Another process may confirm at the same moment.
_CONFIRM = """
INSERT INTO confirmed_retention (host, days, messages, bytes) VALUES ($1, $2, $3, $4)
ON CONFLICT (host) DO UPDATE SET
    days = excluded.days, messages = excluded.messages, bytes = excluded.bytes
"""

_HOLDS = "SELECT subject, reason, ordered_by, at FROM holds ORDER BY subject"

_SET_HOLD = """
INSERT INTO holds (subject, reason, ordered_by, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (subject) DO UPDATE SET
    reason = excluded.reason, ordered_by = excluded.ordered_by, at = excluded.at
"""

_DROP_HOLD = "DELETE FROM holds WHERE subject = $1"

_DEEDS = """
SELECT number, at, actor, action, subject, detail FROM audit_log
WHERE number < $1 ORDER BY number DESC LIMIT $2
"""

_DEEDS_OF = """
SELECT number, at, actor, action, subject, detail FROM audit_log
WHERE number < $1 AND subject = $3 ORDER BY number DESC LIMIT $2
"""

_ROOM = "SELECT created_at, is_persistent FROM rooms WHERE jid = $1"

_AFFILIATION = "SELECT affiliation FROM occupants WHERE room = $1 AND jid = $2"

_LEAVE = "DELETE FROM occupants WHERE room = $1"

_LEAVE_BUT_BANNED = f"{_LEAVE} AND heard_at < $2 AND affiliation <> 'outcast'"

_MAKE = """
INSERT INTO rooms (jid, created_at) VALUES ($1, $2)
ON CONFLICT (jid)
DO UPDATE SET created_at = max(created_at, excluded.created_at), is_persistent = 0
"""

_SET_PERSISTENT = """
INSERT INTO rooms (jid, is_persistent) VALUES ($1, $2)
ON CONFLICT (jid) DO UPDATE SET is_persistent = excluded.is_persistent
"""

# What is no news writes nothing.
_SET_OCCUPANT = """
INSERT INTO occupants (room, jid, affiliation, heard_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (room, jid)
DO UPDATE SET affiliation = excluded.affiliation, heard_at = excluded.heard_at
WHERE affiliation <> excluded.affiliation OR heard_at <> excluded.heard_at
"""

_REMOVE = """
UPDATE occupants SET affiliation = $3, heard_at = $4
WHERE room = $1 AND jid = $2 AND affiliation IN ('member', 'admin', 'owner')
"""

#: Behind every line of the audit log.
_END = 2**63 - 1


class SqliteRecords:
    """`storage.interface.Records` over a Database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def preferences(self, owner: str) -> PreferencesRow | None:
        """Return the preferences of a user, None of one that has set none."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_PREFERENCES, owner)
        return _preferences(rows[0]) if rows else None

    async def all_preferences(self, *, after: str, limit: int) -> tuple[PreferencesRow, ...]:
        """Return up to `limit` preferences by owner, behind `after`."""
        async with self._database.read() as connection:
            return tuple(map(_preferences, await connection.fetch(_ALL_PREFERENCES, after, limit)))

    async def set_preferences(self, preferences: PreferencesRow) -> None:
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

    async def remove_rule(self, owner: str, peer: str = "") -> None:
        """Forget a rule; it is fine when there is none."""
        await self._write(_DROP_RULE, owner, peer)

    async def confirmed_retention(self) -> tuple[HostRetention, ...]:
        """Return the bounds that operators have confirmed last, by host."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_CONFIRMED)
        return tuple(
            HostRetention(host=row[0], days=row[1], messages=row[2], bytes=row[3]) for row in rows
        )

    async def confirm_retention(self, bounds: Sequence[HostRetention]) -> None:
        """Keep bounds in the place of all that were confirmed before."""
        rows = [(each.host, each.days, each.messages, each.bytes) for each in bounds]
        async with self._database.write() as connection:
            await connection.execute(_FORGET_CONFIRMED)
            await connection.executemany(_CONFIRM, rows)

    async def holds(self) -> tuple[Hold, ...]:
        """Return every legal hold."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_HOLDS)
        return tuple(Hold(subject=row[0], reason=row[1], by=row[2], at=row[3]) for row in rows)

    async def set_hold(self, hold: Hold) -> None:
        """Keep a hold in the place of the one for the same subject."""
        await self._write(_SET_HOLD, hold.subject, hold.reason, hold.by, hold.at)

    async def remove_hold(self, subject: str) -> None:
        """Release a hold; it is fine when there is none."""
        await self._write(_DROP_HOLD, subject)

    async def audit_entries(
        self, *, limit: int, before: int | None = None, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Return lines of the audit log, newest first, with smaller numbers than `before`."""
        end = _END if before is None else before
        async with self._database.read() as connection:
            if subject is None:
                rows = await connection.fetch(_DEEDS, end, limit)
            else:
                rows = await connection.fetch(_DEEDS_OF, end, limit, subject)
        return tuple(
            AuditEntry(
                number=row[0],
                at=row[1],
                actor=row[2],
                action=row[3],
                subject=row[4],
                detail=row[5],
            )
            for row in rows
        )

    async def room(self, room: str) -> Room:
        """Return what is known of a room."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_ROOM, room)
        return Room(created_at=rows[0][0], is_persistent=bool(rows[0][1])) if rows else Room()

    async def affiliation(self, room: str, jid: str) -> str | None:
        """Return what was last known of a user in a room, None where that is nothing."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_AFFILIATION, room, jid)
        return str(rows[0][0]) if rows else None

    async def change_room(self, changes: RoomChanges) -> None:
        """Keep what was heard of a room and of users in it."""
        room, made = changes.room, changes.created_at
        async with self._database.write() as connection:
            if made is not None and changes.keep_banned:
                await connection.execute(_LEAVE_BUT_BANNED, room, made)
            elif made is not None:
                await connection.execute(_LEAVE, room)
            if made is not None:
                await connection.execute(_MAKE, room, made)
            if changes.is_persistent is not None:
                await connection.execute(_SET_PERSISTENT, room, int(changes.is_persistent))
            await connection.executemany(_SET_OCCUPANT, map(_occupant, changes.occupants))
            await connection.executemany(_REMOVE, map(_occupant, changes.removed))

    async def _write(self, sql: str, *values: object) -> None:
        async with self._database.write() as connection:
            await connection.execute(sql, *values)


def _preferences(row: Row) -> PreferencesRow:
    owner, default, always, never = row
    return PreferencesRow(owner=owner, default=default, always=_split(always), never=_split(never))


def _occupant(occupant: Occupant) -> tuple[str, str, str, int]:
    return occupant.room, occupant.jid, occupant.affiliation, occupant.heard_at


def _join(jids: Sequence[str]) -> str:
    return json.dumps(jids, ensure_ascii=False)


def _split(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
