"""Where in an archive a filter has its rows: between which sequences, found by an index."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from storage.errors import NotFound
from storage.rows import Filter, Kind
from storage.sqlite.engine.protocols import Connection
from storage.sqlite.messages.ids import Ids
from storage.sqlite.messages.lateness import LATEST, edge, last_misplaced

#: More than any sequence.
BEYOND = 2**40 - 1

_BY_STANZA_ID = """
SELECT stanza_id, sequence FROM archive INDEXED BY archive_stanza_id
WHERE owner = $1 AND stanza_id IN (SELECT value FROM json_each($2))
"""

_THERE = """
SELECT sequence FROM archive
WHERE owner = $1 AND sequence IN (SELECT value FROM json_each($2))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of one archive: a filter, and the sequences between which they are."""

    number: int
    filter: Filter
    first: int = 1
    last: int = BEYOND
    sequences: tuple[int, ...] | None = None  #: of the ids that are wanted
    strays: tuple[int, ...] = ()  #: rows behind the last one that are wanted too
    gaps: tuple[int, ...] = ()  #: rows between the two that are not wanted for their time
    is_exact: bool = True  #: whether no other row between them has a time that is not wanted

    @property
    def is_one_stretch(self) -> bool:
        """Whether it is all that a filter means between two sequences, times aside."""
        return self.is_exact and not self.strays and not self.gaps

    def within(self, first: int, last: int) -> Selection:
        """Return the same without what lies outside of two sequences, both inclusive."""
        return replace(
            self,
            first=max(self.first, first),
            last=min(self.last, last),
            strays=tuple(stray for stray in self.strays if first <= stray <= last),
        )

    def among(self, sequences: Iterable[int]) -> tuple[int, ...]:
        """Return those of some sequences that are between its first and last."""
        return tuple(one for one in sequences if self.first <= one <= self.last)

    def of_kinds(self, kinds: frozenset[Kind] | None) -> Selection:
        """Return the same of other kinds."""
        return replace(self, filter=replace(self.filter, kinds=kinds))


async def select(
    connection: Connection, ids: Ids, number: int, filter: Filter, *, is_by_time: bool = False
) -> Selection:
    """Find between which sequences a filter has its rows. Raises NotFound."""
    named = [id for id in (filter.after, filter.before) if id is not None]
    places = await sequences(connection, ids, number, [*named, *(filter.ids or ())])
    selection = Selection(
        number=number,
        filter=filter,
        first=1 if filter.after is None else places[filter.after] + 1,
        last=BEYOND if filter.before is None else places[filter.before] - 1,
        sequences=None if filter.ids is None else tuple(places[id] for id in filter.ids),
    )
    if is_by_time or (filter.since is None and filter.until is None):
        return selection
    return await _narrow(connection, selection)


async def _narrow(connection: Connection, selection: Selection) -> Selection:
    """Bound the sequences of a page by the times that are wanted."""
    filter = selection.filter
    if filter.since is not None:
        begin = await edge(connection, selection.number, filter.since, filter)
        selection = selection.within(BEYOND if begin.first is None else begin.first, BEYOND)
        selection = replace(selection, gaps=begin.misplaced, is_exact=begin.is_whole)
    if filter.until is not None and filter.until < LATEST:
        selection = await _until(connection, selection, filter.until)
    return replace(selection, gaps=selection.among(selection.gaps))


async def _until(connection: Connection, selection: Selection, until: int) -> Selection:
    """Bound a selection by where messages begin that are later than wanted."""
    number, filter, later = selection.number, selection.filter, until + 1
    end = await edge(connection, number, later, filter, since=filter.since)
    if end.first is None:
        return selection
    strays = selection.among(end.misplaced)
    is_one_by_one = filter.phrases is None and selection.sequences is None
    if end.is_whole and (is_one_by_one or not strays):
        return replace(selection.within(1, end.first - 1), strays=strays)
    # Too many, or found otherwise: all up to the last of them, by their times.
    last = (
        strays[-1]
        if end.is_whole
        else await last_misplaced(connection, number, later, end.first, filter, filter.since)
    )
    return replace(selection.within(1, last), is_exact=False)


async def sequences(
    connection: Connection, ids: Ids, number: int, named: Collection[str]
) -> dict[str, int]:
    """Return the sequences of messages by their ids. Raises NotFound."""
    found = await decoded(connection, ids, number, named)
    await check(connection, number, found)
    return found


async def decoded(
    connection: Connection, ids: Ids, number: int, named: Collection[str]
) -> dict[str, int]:
    """Return the sequences that ids stand for, in the archive or not any more. Raises NotFound."""
    places = await known(connection, ids, number, named)
    for id in named:
        if id not in places:
            raise NotFound(id)
    return places


async def known(
    connection: Connection, ids: Ids, number: int, named: Iterable[str]
) -> dict[str, int]:
    """Return the sequences of the ids that the store has made, and of stanza ids in an archive.

    An id that the store can have made is never looked up: nobody can give it to another message.
    """
    made = {id: ids.decode(number, id) for id in named}
    places = {id: sequence for id, sequence in made.items() if sequence is not None}
    if len(places) < len(made):
        foreign = json.dumps([id for id in made if id not in places])
        rows = await connection.fetch(_BY_STANZA_ID, number, foreign)
        places.update((row[0], row[1]) for row in rows)
    return places


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
