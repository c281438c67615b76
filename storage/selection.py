"""Where in an archive a filter has its rows: between which sequences, found by an index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Connection
from storage.errors import NotFound
from storage.ids import Ids
from storage.rows import Filter

#: More than any sequence: nothing is as late as was asked for.
BEYOND = 2**40 - 1

_FIRST = """
WITH edge AS (
    SELECT min(at) AS at, (SELECT skew FROM owners WHERE number = $1) AS skew
    FROM archive WHERE owner = $1 AND at >= $2
)
SELECT min(sequence) FROM archive
WHERE owner = $1 AND at BETWEEN (SELECT at FROM edge) AND (SELECT at + skew FROM edge)
"""

_LAST = """
WITH edge AS (
    SELECT max(at) AS at, (SELECT skew FROM owners WHERE number = $1) AS skew
    FROM archive WHERE owner = $1 AND at <= $2
)
SELECT max(sequence) FROM archive
WHERE owner = $1 AND at BETWEEN (SELECT at - skew FROM edge) AND (SELECT at FROM edge)
"""

_THERE = """
SELECT sequence FROM archive
WHERE owner = $1 AND sequence IN (SELECT value FROM json_each($2))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of one archive: a filter, and the sequences between which they are."""

    number: int
    wanted: Filter
    first: int = 1
    last: int = BEYOND
    sequences: tuple[int, ...] | None = None  #: of the ids that are wanted

    def within(self, first: int, last: int) -> Selection:
        """Return the same without what lies outside of two sequences, both inclusive."""
        return Selection(
            number=self.number,
            wanted=self.wanted,
            first=max(self.first, first),
            last=min(self.last, last),
            sequences=self.sequences,
        )


async def select(
    connection: Connection, ids: Ids, number: int, wanted: Filter, *, is_by_time: bool = False
) -> Selection:
    """Find between which sequences a filter has its rows. Raises NotFound."""
    named = [id for id in (wanted.after, wanted.before) if id is not None]
    places = await sequences(connection, ids, number, [*named, *(wanted.ids or ())])
    selection = Selection(
        number=number,
        wanted=wanted,
        first=1 if wanted.after is None else places[wanted.after] + 1,
        last=BEYOND if wanted.before is None else places[wanted.before] - 1,
        sequences=None if wanted.ids is None else tuple(places[id] for id in wanted.ids),
    )
    return selection if is_by_time else await _narrow(connection, selection)


async def _narrow(connection: Connection, selection: Selection) -> Selection:
    """Bound the sequences of a page by the times that are wanted.

    Times rise with the sequence but for late ones, and none was ever later than `skew`. So the
    first sequence that can match lies within `skew` of the first time that matches, and the same
    from the other end; both are found in the index of times. Skew and times are of one moment,
    for a message that comes in between may be later than any before it.
    """
    first, last = 1, BEYOND
    if selection.wanted.since is not None:
        rows = await connection.fetch(_FIRST, selection.number, selection.wanted.since)
        first = BEYOND if rows[0][0] is None else rows[0][0]
    if selection.wanted.until is not None:
        rows = await connection.fetch(_LAST, selection.number, selection.wanted.until)
        last = rows[0][0] or 0
    return selection.within(first, last)


async def sequences(
    connection: Connection, ids: Ids, number: int, named: Iterable[str]
) -> dict[str, int]:
    """Return the sequences of messages by their ids. Raises NotFound."""
    found: dict[str, int] = {}
    for id in named:
        sequence = ids.decode(number, id)
        if sequence is None:
            raise NotFound(id)
        found[id] = sequence
    if found:
        rows = await connection.fetch(_THERE, number, json.dumps(list(found.values())))
        there = {row[0] for row in rows}
        for id, sequence in found.items():
            if sequence not in there:
                raise NotFound(id)
    return found
