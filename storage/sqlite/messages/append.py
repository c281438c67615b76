"""Writing a batch into archives, and keeping the books that reading relies on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from storage.rows import TOMBSTONES_MAX, AuditEntry, Batch, Kind, NewMessage, Retraction
from storage.sqlite.engine.protocols import Connection, Row
from storage.sqlite.messages import conversations, lateness, marks, words
from storage.sqlite.messages.counters import CounterDelta, count_up
from storage.sqlite.messages.ids import Ids
from storage.sqlite.messages.marks import Target
from storage.sqlite.messages.owners import Counters, Owners
from storage.sqlite.messages.select import COLUMNS, archived_messages
from storage.sqlite.retention import scrub
from storage.sqlite.retention.delete import FINISHED

_COLUMNS = "owner, sequence, at, peer, resource, type, direction, kind, nick, origin, xml"

_INTO = f"archive ({_COLUMNS})"
# Of the same message only: a sequence that was given twice is an error.
_OTHERWISE = "ON CONFLICT (owner, origin) DO NOTHING"

_INTO_AUDIT_LOG = "audit_log (at, actor, action, subject, detail)"

_INSERT_UNLESS_TWIN = f"""
INSERT INTO archive ({_COLUMNS})
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
WHERE NOT EXISTS (SELECT 1 FROM archive WHERE owner = $1 AND origin IN ($12, $13))
{_OTHERWISE}
"""  # noqa: S608 - constant words

_INSERTED = """
SELECT owner, sequence FROM json_each($1) AS floor CROSS JOIN archive
WHERE owner = floor.value ->> 0 AND sequence > floor.value ->> 1
"""

_GIVEN = "UPDATE owners SET last = $2, newest = $3 WHERE number = $1"

_BYTES = """
UPDATE owners SET bytes = bytes + $3 - (
    SELECT length(CAST(xml AS BLOB)) FROM archive WHERE owner = $1 AND sequence = $2
)
WHERE number = $1
"""

_RETRACTING = "SELECT sequence FROM archive WHERE owner = $1 AND origin = $2"

_RETRACTED = f"""
SELECT {COLUMNS} FROM archive
WHERE owner = $1 AND sequence = $2 AND kind NOT IN ('tombstone', 'gone')
"""  # noqa: S608 - constant words

_UNFINISHED = "INSERT INTO unfinished (owner, sequence) VALUES ($1, $2) ON CONFLICT DO NOTHING"

_BURY = """
UPDATE archive SET kind = $4, xml = $3 WHERE owner = $1 AND sequence = $2
"""


class _InsertRow(NamedTuple):
    """An entry, and where it goes."""

    number: int
    sequence: int
    entry: NewMessage

    def values(self) -> tuple[object, ...]:
        """Return what is stored, in the order of _COLUMNS."""
        entry = self.entry
        return (
            self.number,
            self.sequence,
            entry.at,
            entry.peer,
            entry.resource,
            entry.type,
            entry.direction.value,
            entry.kind.value,
            entry.nick,
            entry.dedup_key,
            entry.xml,
        )


class Appender:
    """Writes batches, each inside a transaction of its caller."""

    def __init__(self, owners: Owners, ids: Ids) -> None:
        self._owners = owners
        self._ids = ids

    async def write(self, connection: Connection, batch: Batch) -> None:
        """Write a batch in its order; lines of the audit log have an order of their own."""
        entries: list[NewMessage] = []
        audit_log: list[AuditEntry] = []
        left = TOMBSTONES_MAX
        for work in batch:
            if isinstance(work, NewMessage):
                entries.append(work)
                continue
            if isinstance(work, AuditEntry):
                audit_log.append(work)
                continue
            await self._enter(connection, entries)
            entries = []
            left -= await self._retract(connection, work, left)
        await self._enter(connection, entries)
        await _log(connection, audit_log)

    async def _enter(self, connection: Connection, entries: list[NewMessage]) -> None:
        if not entries:
            return
        counters = await self._owners.meet(connection, {entry.owner for entry in entries})
        floors = [(known.number, known.last) for known in counters.values()]
        # By archive, each in its order: at each row that comes before the last one the full text
        # index writes out what it has gathered.
        given = [_row(counters[entry.owner], entry) for entry in entries]
        rows = sorted(given, key=attrgetter("number"))
        if await _insert(connection, rows) < len(rows):
            found = await connection.fetch(_INSERTED, json.dumps(floors))
            inserted = {(row[0], row[1]) for row in found}
            rows = [row for row in rows if row[:2] in inserted]
        await _mark_late(connection, counters, rows)
        await self._note(connection, rows)
        await connection.executemany(
            _GIVEN, [(known.number, known.last, known.newest) for known in counters.values()]
        )

    async def _note(self, connection: Connection, rows: list[_InsertRow]) -> None:
        """Enter new rows in every book."""
        lines = [
            CounterDelta(number, sequence, e.peer, e.type == "groupchat", len(e.xml.encode()))
            for number, sequence, e in rows
        ]
        await count_up(connection, lines)
        targets = await marks.resolve(connection, rows)
        about = [targets.get(row[:2]) for row in rows]
        shown = [None if target is None else target.shown for target in about]
        await words.add(connection, [(*row, to) for row, to in zip(rows, shown, strict=True)])
        await conversations.came(
            connection,
            [
                (number, sequence, e.peer, _seen(sequence, e, target) if e.is_seen else 0)
                for (number, sequence, e), target in zip(rows, about, strict=True)
            ],
        )

    async def _retract(self, connection: Connection, retraction: Retraction, limit: int) -> int:
        """Carry out a retraction, over up to `limit` corrections; return over how many."""
        number = await self._owners.find(connection, retraction.owner)
        found = await connection.fetch(_RETRACTING, number, retraction.dedup_key)
        if not found:
            return 0
        sequence = int(found[0][0])
        target = await words.retracted(connection, number, sequence)
        if target is None:
            return 0
        rows = await connection.fetch(_RETRACTED, number, target)
        buried = await self._bury(connection, number, rows, retraction, Kind.TOMBSTONE)
        if rows and not buried:
            return 0
        rows = await marks.corrections(connection, number, target, limit + 1)
        step = rows[:limit]
        buried += await self._bury(connection, number, step, retraction, Kind.ANNOTATION)
        await words.settle(connection, number, target, [int(row[0]) for row in step])
        if buried:
            await scrub.note(connection)
        await connection.execute(
            _UNFINISHED if len(rows) > len(step) else FINISHED, number, sequence
        )
        return len(step)

    async def _bury(
        self,
        connection: Connection,
        number: int,
        rows: Sequence[Row],
        retraction: Retraction,
        kind: Kind,
    ) -> int:
        """Leave tombstones of messages, and return of how many."""
        messages = zip(rows, archived_messages(self._ids, number, rows), strict=True)
        judged = [(int(row[0]), retraction.tombstone(message)) for row, message in messages]
        left = [(sequence, xml) for sequence, xml in judged if xml is not None]
        if not left:
            return 0
        await connection.executemany(
            _BYTES, [(number, sequence, len(xml.encode())) for sequence, xml in left]
        )
        await connection.executemany(
            _BURY, [(number, sequence, xml, kind) for sequence, xml in left]
        )
        await words.silence(connection, number, [sequence for sequence, _ in left])
        return len(left)


def _row(known: Counters, entry: NewMessage) -> _InsertRow:
    return _InsertRow(known.number, known.give(), entry)


async def _mark_late(
    connection: Connection, counters: Mapping[str, Counters], rows: Sequence[_InsertRow]
) -> None:
    """Mark the new rows that are older than rows before them."""
    came = [(row, counters[row.entry.owner].came(row.entry.at)) for row in rows]
    if late := [(*row[:2], by) for row, by in came if by]:
        await lateness.mark(connection, late)


async def _log(connection: Connection, audit_log: Sequence[AuditEntry]) -> None:
    """Add lines to the audit log."""
    rows = [
        (
            audit_entry.at,
            audit_entry.actor,
            audit_entry.action,
            audit_entry.subject,
            audit_entry.detail,
        )
        for audit_entry in audit_log
    ]
    if rows:
        await connection.insert(_INTO_AUDIT_LOG, rows)


async def _insert(connection: Connection, rows: Sequence[_InsertRow]) -> int:
    """Insert rows that are not there yet; return how many came, those that have twins left out."""
    came = 0
    for has_twins, run in groupby(rows, key=lambda row: row.entry.alternative_keys is not None):
        if has_twins:
            twins = [(*row.values(), *(row.entry.alternative_keys or ())) for row in run]
            await connection.executemany(_INSERT_UNLESS_TWIN, twins)
        else:
            values = [row.values() for row in run]
            came += await connection.insert(_INTO, values, otherwise=_OTHERWISE)
    return came


def _seen(sequence: int, entry: NewMessage, target: Target | None) -> int:
    """Return up to which sequence an entry shows that its owner has read."""
    # A marker stands for the message that it names and all before (XEP-0333), not for those that
    # came while it was under way.
    return target.sequence if target and entry.kind is Kind.RECEIPT else sequence
