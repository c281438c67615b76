"""How many rows a selection has, and which is the first behind so many of them."""

from __future__ import annotations

from storage.database import Connection, Row
from storage.errors import TooCostly
from storage.queries import Query
from storage.rows import Filter
from storage.selection import BEYOND, Selection
from storage.tallies import Scopes, all_sql, before_sql, place_of, scopes, through

#: No more rows are looked at to count what is not tallied.
LOOKED_AT_MAX = 10_000

# One statement: what it counts is of the moment of the page, and comes with it.
_PAGE = """
WITH page AS MATERIALIZED ({page}),
edge AS MATERIALIZED (SELECT min(sequence) AS first FROM page),
place AS MATERIALIZED (SELECT {before}, {all} FROM edge)
SELECT * FROM page, place ORDER BY sequence {way}
"""

_SKEW = "SELECT skew FROM owners WHERE number = $1"


async def exactly(connection: Connection, selection: Selection) -> int:
    """Return how many rows there are, whatever it costs."""
    if of := await tallied(connection, selection):
        [count] = await _ranks(connection, selection, of, [selection.last])
        return count
    query = Query(selection)
    rows = await connection.fetch(
        f"SELECT count(*) FROM {query.source} WHERE {query.where}",  # noqa: S608 - constant words
        *query.values,
    )
    return int(rows[0][0])


async def cheaply(
    connection: Connection, selection: Selection, place: int
) -> tuple[int | None, int | None]:
    """Return how many rows there are before a sequence and in all, None where that is costly."""
    if of := await tallied(connection, selection):
        before, count = await _ranks(connection, selection, of, [place - 1, selection.last])
        return before, count
    query = Query(selection)
    rows = await connection.fetch(
        "SELECT count(*), coalesce(sum(fits AND sequence < "  # noqa: S608 - constant words
        f"{query.value(place)}), 0), coalesce(sum(fits), 0)"
        f" FROM ({query.looking(LOOKED_AT_MAX + 1)})",
        *query.values,
    )
    looked_at, before, count = rows[0]
    return (None, None) if looked_at > LOOKED_AT_MAX else (before, count)


def whole(wanted: Filter) -> Scopes | None:
    """Return the scopes that hold just what a filter means, from the first row to the last."""
    edges = (wanted.since, wanted.until, wanted.after, wanted.before)
    return scopes(wanted) if edges == (None, None, None, None) else None


async def counted_rows(
    connection: Connection, part: Selection, of: Scopes, *, limit: int, backwards: bool
) -> tuple[list[Row], int, int]:
    """Return rows as `by_arrival`, how many of all there are before them, and how many in all.

    `of` are the scopes that hold all of which `part` is a part.
    """
    query = Query(part)
    named = [query.value(scope) for scope in of]
    sql = _PAGE.format(
        page=query.by_arrival(limit=limit, backwards=backwards),
        before=before_sql("first", of, *named),
        all=all_sql(*named),
        way="DESC" if backwards else "ASC",
    )
    rows = await connection.fetch(sql, *query.values)
    if rows:
        before, count = rows[0][-2:]
        return rows, before, count
    [count] = await through(connection, part.number, of, [BEYOND])
    return [], count, count


async def behind(
    connection: Connection, selection: Selection, index: int
) -> tuple[Selection, int]:
    """Return the selection from nearby the row of an index on, and how many rows to skip there.

    Raises TooCostly.
    """
    of = await tallied(connection, selection)
    if of is None:
        if index > LOOKED_AT_MAX:
            raise TooCostly(f"more than {LOOKED_AT_MAX} messages to skip")
        return selection, index
    [before] = await through(connection, selection.number, of, [selection.first - 1])
    place = await place_of(connection, selection.number, of, before + index + 1)
    if place is None:
        return selection.within(BEYOND, BEYOND), 0
    sequence, skip = place
    if sequence < selection.first:
        return selection, index
    return selection.within(sequence, BEYOND), skip


async def tallied(connection: Connection, selection: Selection) -> Scopes | None:
    """Return the scopes that count this selection, None where its rows have to be looked at."""
    wanted = selection.wanted
    of = scopes(wanted)
    if of and (wanted.since is not None or wanted.until is not None):
        # With times in the order of arrival the edges are exact.
        rows = await connection.fetch(_SKEW, selection.number)
        return None if rows and rows[0][0] else of
    return of


async def _ranks(
    connection: Connection, selection: Selection, of: Scopes, places: list[int]
) -> list[int]:
    """Return how many rows of the selection there are up to each place."""
    first = selection.first - 1
    inside = [max(min(place, selection.last), first) for place in places]
    before, *counts = await through(connection, selection.number, of, [first, *inside])
    return [count - before for count in counts]
