"""Writes the journals of accounts, in transactions of its caller.

An entry takes the next sequence of the archive, from the counters that the appender uses too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from time import time_ns

from storage.rows import EntryKind, JournalEntry, JournalLimits
from storage.sql.database import Connection
from storage.sql.messages.owners import Owners

_IS_OPEN = "SELECT 1 FROM journals WHERE owner = $1 AND is_open = 1"

_VALUES = """
SELECT journal.kind, journal.subject, journal.value, journal.at
FROM jsonb_to_recordset($2) AS named (kind text, subject text) CROSS JOIN journal
WHERE owner = $1 AND journal.kind = named.kind AND journal.subject = named.subject
"""

_PUT = """
INSERT INTO journal (owner, kind, subject, sequence, at, value) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (owner, kind, subject)
DO UPDATE SET sequence = excluded.sequence, at = excluded.at, value = excluded.value
"""

_UPDATE_OWNER = "UPDATE owners SET last_sequence = $2 WHERE number = $1"

#: Whether an entry tells of the present: a contact, a presence or a request that has not ended.
_IS_PRESENT = "(kind IN ('contact', 'presence', 'request') AND value <> '')"

_COUNT = "SELECT count(*) FROM journal /* INDEXED BY journal_sequence */ WHERE owner = $1"

_OLDEST = f"""
SELECT sequence FROM journal WHERE owner = $1 ORDER BY {_IS_PRESENT}, sequence LIMIT $2
"""  # noqa: S608 - constant words

_PAST = f"SELECT sequence FROM journal WHERE owner = $1 AND at < $2 AND NOT {_IS_PRESENT}"  # noqa: S608

_DELETE = "DELETE FROM journal WHERE owner = $1 AND sequence = $2"

_EXPIRE = "UPDATE journals SET expired_to = greatest(expired_to, $2) WHERE owner = $1"

#: Kinds whose entries stand for a change even if the value is the same.
_ALWAYS_NEW = frozenset({EntryKind.DISPLAYED, EntryKind.CHANGED, EntryKind.FAILED})


class Journal:
    """The journals of one database that only this process writes."""

    def __init__(self, owners: Owners, limits: JournalLimits | None = None) -> None:
        """`owners` has the counters of the archives; after a rollback its caller discards them."""
        self._owners = owners
        self._limits = limits or JournalLimits()

    async def write(
        self, connection: Connection, entries: Iterable[JournalEntry]
    ) -> frozenset[str]:
        """Write entries as `storage.interface.EventsStore.put` says; return the changed owners."""
        by_owner: dict[str, list[JournalEntry]] = {}
        for entry in entries:
            by_owner.setdefault(entry.owner, []).append(entry)
        changed = set()
        for owner, owner_entries in by_owner.items():
            number = await self._owners.find(connection, owner)
            if not await connection.fetch(_IS_OPEN, number):
                continue
            if await self._write(connection, owner, number, owner_entries):
                changed.add(owner)
        return frozenset(changed)

    async def note_displayed(self, connection: Connection, owner: str, peer: str, id: str) -> None:
        """Enter the id of the last message of a conversation that its owner has displayed."""
        await self._note(connection, owner, EntryKind.DISPLAYED, peer, {"id": id})

    async def note_changed(self, connection: Connection, owner: str, peer: str, id: str) -> None:
        """Enter the id of a message whose content was replaced or removed."""
        await self._note(connection, owner, EntryKind.CHANGED, id, {"peer": peer})

    async def _note(
        self,
        connection: Connection,
        owner: str,
        kind: EntryKind,
        subject: str,
        fields: Mapping[str, str],
    ) -> None:
        entry = JournalEntry(
            owner=owner,
            kind=kind,
            subject=subject,
            value=json.dumps(fields),
            at=time_ns() // 1000,
        )
        await self.write(connection, [entry])

    async def _write(
        self, connection: Connection, owner: str, number: int, entries: Sequence[JournalEntry]
    ) -> bool:
        """Write the entries of one open journal; return whether any of them changes anything."""
        changes = await _changes(connection, number, entries, self._owners.is_shared)
        if not changes:
            return False
        counters = (await self._owners.get_or_create(connection, [owner]))[owner]
        await connection.executemany(
            _PUT,
            [
                (
                    number,
                    entry.kind.value,
                    entry.subject,
                    counters.next_sequence(),
                    entry.at,
                    entry.value,
                )
                for entry in changes
            ],
        )
        await connection.execute(_UPDATE_OWNER, number, counters.last_sequence)
        await self._trim(connection, number, now=max(entry.at for entry in entries))
        return True

    async def _trim(self, connection: Connection, number: int, *, now: int) -> None:
        """Delete the entries that are over the limits, and note which cursors expire."""
        rows = await connection.fetch(_PAST, number, now - self._limits.past_micros)
        [[count]] = await connection.fetch(_COUNT, number)
        if count - len(rows) > self._limits.entries:
            rows = await connection.fetch(_OLDEST, number, count - self._limits.entries)
        if not rows:
            return
        sequences = [row[0] for row in rows]
        await connection.executemany(_DELETE, [(number, sequence) for sequence in sequences])
        await connection.execute(_EXPIRE, number, max(sequences))


async def _changes(
    connection: Connection, number: int, entries: Sequence[JournalEntry], is_shared: bool
) -> list[JournalEntry]:
    """Return the entries that change anything.

    With `is_shared` other processes enter the same changes, sooner or later: an entry older than
    the newest one of its subject was entered before.
    """
    named = json.dumps([{"kind": entry.kind.value, "subject": entry.subject} for entry in entries])
    rows = await connection.fetch(_VALUES, number, named)
    values = {(row[0], row[1]): row[2] for row in rows}
    times = {(row[0], row[1]): row[3] for row in rows} if is_shared else {}
    changes = []
    for entry in entries:
        key = entry.kind.value, entry.subject
        if entry.kind in _ALWAYS_NEW or (
            entry.value != values.get(key, "") and entry.at >= times.get(key, entry.at)
        ):
            changes.append(entry)
            values[key] = entry.value
    return changes
