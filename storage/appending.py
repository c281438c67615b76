"""Writing a batch into archives, and keeping the books that reading relies on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from storage import conversations, lateness, marks, trash, words
from storage.database import Connection, Row
from storage.ids import Ids
from storage.owners import Counters, Owners
from storage.queries import stored
from storage.rows import Batch, Deed, Entry, Kind, Removal, Retraction, Stored
from storage.taking import LINE, take_away
from storage.tallies import Line, count_up

_COLUMNS = "owner, sequence, at, peer, resource, type, direction, kind, nick, origin, xml"

_INTO = f"archive ({_COLUMNS})"
_OTHERWISE = "ON CONFLICT DO NOTHING"

_INTO_DEEDS = "deeds (at, actor, action, subject, detail)"

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

_OF_ORIGIN = f"""
SELECT {LINE} FROM archive WHERE owner = $1 AND origin = $2
"""  # noqa: S608 - constant words

_BYTES = """
UPDATE owners SET bytes = bytes + $3 - (
    SELECT length(CAST(xml AS BLOB)) FROM archive WHERE owner = $1 AND sequence = $2
)
WHERE number = $1
"""

_BURY = """
UPDATE archive SET kind = $4, xml = $3 WHERE owner = $1 AND sequence = $2
"""


class _Row(NamedTuple):
    """An entry, and where it goes."""

    number: int
    sequence: int
    entry: Entry

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
            entry.origin,
            entry.xml,
        )


class Appending:
    """Writes batches, each inside a transaction of its caller."""

    def __init__(self, owners: Owners, ids: Ids) -> None:
        self._owners = owners
        self._ids = ids

    async def write(self, connection: Connection, batch: Batch) -> None:
        """Write a batch in its order; lines of the audit log have an order of their own."""
        entries: list[Entry] = []
        deeds: list[Deed] = []
        for work in batch:
            if isinstance(work, Entry):
                entries.append(work)
                continue
            if isinstance(work, Deed):
                deeds.append(work)
                continue
            await self._enter(connection, entries)
            entries = []
            if isinstance(work, Removal):
                await self._remove(connection, work)
            else:
                await self._retract(connection, work)
        await self._enter(connection, entries)
        await _log(connection, deeds)

    async def _enter(self, connection: Connection, entries: list[Entry]) -> None:
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

    async def _note(self, connection: Connection, rows: list[_Row]) -> None:
        """Enter new rows in every book."""
        lines = [
            Line(number, sequence, e.peer, e.type == "groupchat", len(e.xml.encode()))
            for number, sequence, e in rows
        ]
        await count_up(connection, lines)
        await words.add(connection, rows)
        came = []
        for number, sequence, e in rows:
            seen = await _seen(connection, number, sequence, e) if e.is_seen else 0
            came.append((number, sequence, e.peer, seen))
        await conversations.came(connection, came)

    async def _remove(self, connection: Connection, removal: Removal) -> None:
        number = await self._owners.find(connection, removal.owner)
        rows = await connection.fetch(_OF_ORIGIN, number, removal.origin)
        await take_away(connection, number, [Line(*row) for row in rows])

    async def _retract(self, connection: Connection, retraction: Retraction) -> None:
        number = await self._owners.find(connection, retraction.owner)
        rows = await marks.called(connection, number, retraction.mark)
        buried = await self._bury(connection, number, rows, retraction.tombstone, Kind.TOMBSTONE)
        if buried:
            await trash.note(connection)
        looked_up: set[int] = set()
        while buried:
            message = buried.pop()
            names = set(retraction.names(message)) - looked_up
            looked_up |= names
            rows = await marks.annotating(connection, number, list(names))
            judge = partial(retraction.correction, message)
            buried += await self._bury(connection, number, rows, judge, Kind.ANNOTATION)

    async def _bury(
        self,
        connection: Connection,
        number: int,
        rows: Sequence[Row],
        judge: Callable[[Stored], str | None],
        kind: Kind,
    ) -> list[Stored]:
        """Leave of each message what the judge says; return what it changes, as it was."""
        messages = zip(rows, stored(self._ids, number, rows), strict=True)
        judged = [(int(row[0]), message, judge(message)) for row, message in messages]
        left = [(sequence, message, xml) for sequence, message, xml in judged if xml is not None]
        await connection.executemany(
            _BYTES, [(number, sequence, len(xml.encode())) for sequence, _, xml in left]
        )
        await connection.executemany(
            _BURY, [(number, sequence, xml, kind) for sequence, _, xml in left]
        )
        await words.drop(connection, [(number, sequence) for sequence, _, _ in left])
        return [message for _, message, _ in left]


def _row(known: Counters, entry: Entry) -> _Row:
    return _Row(known.number, known.give(), entry)


async def _mark_late(
    connection: Connection, counters: Mapping[str, Counters], rows: Sequence[_Row]
) -> None:
    """Mark the new rows that are older than rows before them."""
    came = [(row, counters[row.entry.owner].came(row.entry.at)) for row in rows]
    if late := [(*row[:2], by) for row, by in came if by]:
        await lateness.mark(connection, late)


async def _log(connection: Connection, deeds: Sequence[Deed]) -> None:
    """Add lines to the audit log."""
    rows = [(deed.at, deed.actor, deed.action, deed.subject, deed.detail) for deed in deeds]
    if rows:
        await connection.insert(_INTO_DEEDS, rows)


async def _insert(connection: Connection, rows: Sequence[_Row]) -> int:
    """Insert rows that are not there yet; return how many came, those that have twins left out."""
    came = 0
    for has_twins, run in groupby(rows, key=lambda row: row.entry.twins is not None):
        if has_twins:
            twins = [(*row.values(), *(row.entry.twins or ())) for row in run]
            await connection.executemany(_INSERT_UNLESS_TWIN, twins)
        else:
            values = [row.values() for row in run]
            came += await connection.insert(_INTO, values, otherwise=_OTHERWISE)
    return came


async def _seen(connection: Connection, number: int, sequence: int, entry: Entry) -> int:
    """Return up to which sequence an entry shows that its owner has read."""
    if entry.kind is not Kind.RECEIPT or entry.about is None:
        return sequence
    # A marker stands for the message that it names and all before (XEP-0333), not for those that
    # came while it was under way.
    named = [int(row[0]) for row in await marks.called(connection, number, entry.about)]
    return max([known for known in named if known < sequence], default=sequence)
