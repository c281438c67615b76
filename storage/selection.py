"""Where in an archive a filter has its rows: between which sequences, found by an index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from storage.database import Connection
from storage.errors import NotFound
from storage.ids import Ids
from storage.rows import Filter, Kind

#: More than any sequence: nothing is as late as was asked for.
BEYOND = 2**40 - 1

_FIRST = """
WITH edge AS (
    SELECT min(at) AS at, (SELECT skew FROM owners WHERE number = $1) AS skew
    FROM archive WHERE owner = $1 AND at >= $2
)
SELECT min(sequence), (SELECT skew FROM edge) FROM archive
WHERE owner = $1 AND at BETWEEN (SELECT at FROM edge) AND (SELECT at + skew FROM edge)
"""

_LAST = """
WITH edge AS (
    SELECT max(at) AS at, (SELECT skew FROM owners WHERE number = $1) AS skew
    FROM archive WHERE owner = $1 AND at <= $2
)
SELECT max(sequence), (SELECT skew FROM edge) FROM archive
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
    is_exact: bool = True  #: whether no row between them has a time that is not wanted

    def within(self, first: int, last: int) -> Selection:
        """Return the same without what lies outside of two sequences, both inclusive."""
        return replace(self, first=max(self.first, first), last=min(self.last, last))

    def of_kinds(self, kinds: frozenset[Kind] | None) -> Selection:
        """Return the same of other kinds."""
        return replace(self, wanted=replace(self.wanted, kinds=kinds))


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
    if is_by_time or (wanted.since is None and wanted.until is None):
        return selection
    return await _narrow(connection, selection)


async def _narrow(connection: Connection, selection: Selection) -> Selection:
    """Bound the sequences of a page by the times that are wanted.

    Times rise with the sequence but for late ones, and none was ever later than `skew`. So the
    first sequence that can match lies within `skew` of the first time that matches, and the same
    from the other end; both are found in the index of times. Skew and times are of one moment,
    for a message that comes in between may be later than any before it.
    """
    first, last, skew = 1, BEYOND, 0
    if selection.wanted.since is not None:
        rows = await connection.fetch(_FIRST, selection.number, selection.wanted.since)
        first, skew = BEYOND if rows[0][0] is None else rows[0][0], rows[0][1]
    if selection.wanted.until is not None:
        rows = await connection.fetch(_LAST, selection.number, selection.wanted.until)
        last, skew = rows[0][0] or 0, rows[0][1]
    return replace(selection, is_exact=not skew).within(first, last)


async def sequences(
    connection: Connection, ids: Ids, number: int, named: Iterable[str]
) -> dict[str, int]:
    """Return the sequences of messages by their ids. Raises NotFound."""
    found = decoded(ids, number, named)
    await check(connection, number, found)
    return found


def decoded(ids: Ids, number: int, named: Iterable[str]) -> dict[str, int]:
    """Return the sequences that ids stand for, in the archive or not any more. Raises NotFound."""
    found: dict[str, int] = {}
    for id in named:
        sequence = ids.decode(number, id)
        if sequence is None:
            raise NotFound(id)
        found[id] = sequence
    return found


async def check(connection: Connection, number: int, named: Mapping[str, int]) -> None:
    """Raise NotFound unless all of these sequences are in an archive."""
    if not named:
        return
    rows = await connection.fetch(_THERE, number, json.dumps(list(named.values())))
    there = {row[0] for row in rows}
    for id, sequence in named.items():
        if sequence not in there:
            raise NotFound(id)


def there_sql(sequences: str) -> str:
    """Return a query for how many of some sequences (a JSON list) are in the archive $1."""
    return (
        "SELECT count(*) FROM archive WHERE owner = $1"  # noqa: S608 - constant words
        f" AND sequence IN (SELECT value FROM json_each({sequences}))"
    )
