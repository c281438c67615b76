"""Finds the range of sequences in which an archive has the rows of a filter, by an index."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from storage.errors import NotFound
from storage.rows import Filter, Kind
from storage.sql.database import Connection
from storage.sql.messages.ids import Ids
from storage.sql.messages.lateness import LATEST, edge, last_misplaced

#: Greater than any sequence.
BEYOND = 2**40 - 1

_BY_STANZA_ID = """
SELECT stanza_id, sequence FROM archive /* INDEXED BY archive_stanza_id */
WHERE owner = $1 AND stanza_id = ANY($2)
"""

_BY_OLD_ID = """
SELECT old_id, sequence FROM old_ids WHERE owner = $1 AND old_id = ANY($2)
"""

_EXISTING = """
SELECT sequence FROM archive
WHERE owner = $1 AND sequence = ANY($2)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The rows of one archive that match a filter, and the range of sequences that has them."""

    number: int  #: number of the owner
    filter: Filter
    first: int = 1  #: first sequence of the range
    last: int = BEYOND  #: last sequence of the range
    sequences: tuple[int, ...] | None = None  #: of the ids in the filter
    strays: tuple[int, ...] = ()  #: sequences after `last` whose time matches too
    gaps: tuple[int, ...] = ()  #: sequences inside the range whose time does not match
    is_exact: bool = True  #: whether the times of all other rows inside the range match

    @property
    def is_one_range(self) -> bool:
        """Whether the times of all rows inside the range match, and of no rows outside."""
        return self.is_exact and not self.strays and not self.gaps

    def within(self, first: int, last: int) -> Selection:
        """Return the part of the selection between two sequences, both inclusive."""
        return replace(
            self,
            first=max(self.first, first),
            last=min(self.last, last),
            strays=tuple(stray for stray in self.strays if first <= stray <= last),
        )

    def among(self, sequences: Iterable[int]) -> tuple[int, ...]:
        """Return those of these sequences that are inside the range."""
        return tuple(sequence for sequence in sequences if self.first <= sequence <= self.last)

    def of_kinds(self, kinds: frozenset[Kind] | None) -> Selection:
        """Return the selection with other kinds."""
        return replace(self, filter=replace(self.filter, kinds=kinds))


async def select(
    connection: Connection, ids: Ids, number: int, filter: Filter, *, is_by_time: bool = False
) -> Selection:
    """Return the selection of a filter. Raises NotFound.

    With `is_by_time` the caller reads the rows in the order of time, so the range ignores times.
    """
    archive_ids = [id for id in (filter.after, filter.before) if id is not None]
    places = await sequences(connection, ids, number, [*archive_ids, *(filter.ids or ())])
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
    """Narrow the range to the times of the filter."""
    filter = selection.filter
    if filter.since is not None:
        since_edge = await edge(connection, selection.number, filter.since, filter)
        selection = selection.within(
            BEYOND if since_edge.first is None else since_edge.first, BEYOND
        )
        selection = replace(selection, gaps=since_edge.misplaced, is_exact=since_edge.is_complete)
    if filter.until is not None and filter.until < LATEST:
        selection = await _until(connection, selection, filter.until)
    return replace(selection, gaps=selection.among(selection.gaps))


async def _until(connection: Connection, selection: Selection, until: int) -> Selection:
    """Narrow the range to the messages before the edge of the first time after `until`."""
    number, filter, later = selection.number, selection.filter, until + 1
    until_edge = await edge(connection, number, later, filter, since=filter.since)
    if until_edge.first is None:
        return selection
    strays = selection.among(until_edge.misplaced)
    reads_range = filter.phrases is None and selection.sequences is None
    if until_edge.is_complete and (reads_range or not strays):
        return replace(selection.within(1, until_edge.first - 1), strays=strays)
    # There are too many strays, or another index finds the rows: the range ends at the last stray,
    # and the query compares times.
    last = (
        strays[-1]
        if until_edge.is_complete
        else await last_misplaced(
            connection, number, later, until_edge.first, filter, filter.since
        )
    )
    return replace(selection.within(1, last), is_exact=False)


async def sequences(
    connection: Connection, ids: Ids, number: int, named: Collection[str]
) -> dict[str, int]:
    """Return the sequences of messages by their ids. Raises NotFound."""
    sequence_by_id = await decoded(connection, ids, number, named)
    await check(connection, number, sequence_by_id)
    return sequence_by_id


async def decoded(
    connection: Connection, ids: Ids, number: int, named: Collection[str]
) -> dict[str, int]:
    """Return the sequences that ids stand for, in the archive or not any more. Raises NotFound."""
    places = await find_sequences(connection, ids, number, named)
    for id in named:
        if id not in places:
            raise NotFound(id)
    return places


async def find_sequences(
    connection: Connection, ids: Ids, number: int, named: Iterable[str]
) -> dict[str, int]:
    """Return the sequences of the ids that the store has made, of stanza ids, and of old ids.

    An id that the store can have made is never looked up: nobody can give it to another message.
    A stanza id comes before an old id.
    """
    made = {id: ids.decode(number, id) for id in named}
    places = {id: sequence for id, sequence in made.items() if sequence is not None}
    if len(places) < len(made):
        foreign = [id for id in made if id not in places and _is_text(id)]
        rows = await connection.fetch(_BY_STANZA_ID, number, foreign)
        places.update((row[0], row[1]) for row in rows)
        if old := [id for id in foreign if id not in places]:
            rows = await connection.fetch(_BY_OLD_ID, number, old)
            places.update((row[0], row[1]) for row in rows)
    return places


def _is_text(id: str) -> bool:
    """Return whether a database can hold an id: not every one takes NUL or half a character."""
    return "\0" not in id and not any("\ud800" <= character <= "\udfff" for character in id)


async def check(connection: Connection, number: int, places: Mapping[str, int]) -> None:
    """Raise NotFound unless the messages of all these ids, with their sequences, exist."""
    if not places:
        return
    rows = await connection.fetch(_EXISTING, number, list(places.values()))
    existing = {row[0] for row in rows}
    for id, sequence in places.items():
        if sequence not in existing:
            raise NotFound(id)


def existing_sql(sequences: str) -> str:
    """Return a query that counts those of the sequences that the archive $1 has."""
    return (
        "SELECT count(*) FROM archive WHERE owner = $1"  # noqa: S608 - constant words
        f" AND sequence = ANY({sequences})"
    )
