"""How many rows a selection has, and which is the first behind so many of them."""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Mapping

from storage.errors import TooCostly
from storage.rows import ANY, READABLE, Filter, Kind
from storage.sqlite.engine.protocols import Bound, Connection, Row
from storage.sqlite.messages.counters import Scopes, all_sql, before_sql, place_of, scopes, through
from storage.sqlite.messages.ranges import BEYOND, Selection, check, there_sql
from storage.sqlite.messages.select import COLUMNS, SEQUENCES, SelectBuilder

#: No more rows are looked at to count what is not tallied.
LOOKED_AT_MAX = 10_000

#: What is counted without looking at more than a row of the owner: by which statement.
AT_ONCE = {
    ANY: "SELECT messages FROM owners WHERE jid = $1",
    Filter(kinds=READABLE): """
        SELECT messages - (
            SELECT count(*) FROM archive INDEXED BY archive_blanked
            WHERE owner = owners.number AND kind = 'blanked'
        ) FROM owners WHERE jid = $1
    """,
}

# One statement: what it counts is of the moment of the page, and comes with it. Of each message
# only the sequence is read twice, so that reading can end wherever the page is full.
_PAGE = """
WITH page AS MATERIALIZED ({sequences}),
edge AS MATERIALIZED (SELECT min(sequence) AS first, count(*) AS found FROM page),
base AS MATERIALIZED (SELECT {base} AS earlier),
place AS MATERIALIZED (
    SELECT found, ({there}) AS there,
        {before} - base.earlier AS earlier, {all} - base.earlier AS total
    FROM edge, base
)
{page}
"""
_PLACE = ", ".join(
    f"(SELECT {name} FROM place)"  # noqa: S608 - constant words
    for name in ("found", "there", "earlier", "total")
)


async def at_once(connection: Connection, owner: str, wanted: Filter) -> int | None:
    """Return how many rows match, by the JID of the owner; None for a filter not of AT_ONCE."""
    sql = AT_ONCE.get(wanted)
    if sql is None:
        return None
    rows = await connection.fetch(sql, owner)
    return int(rows[0][0]) if rows else 0


async def exactly(connection: Connection, selection: Selection) -> int:
    """Return how many rows there are, whatever it costs."""
    if selection.wanted.kinds == READABLE:
        # Tallies have what is gone too, and that has an index of its own.
        gone = await exactly(connection, selection.of_kinds(frozenset({Kind.BLANKED})))
        return await exactly(connection, selection.of_kinds(None)) - gone
    if of := tallied(selection):
        [count] = await _ranks(connection, selection, of, [BEYOND])
        return count
    query = SelectBuilder(selection)
    rows = await connection.fetch(
        f"SELECT count(*) FROM ({query.rows('1')})",  # noqa: S608 - constant words
        *query.values,
    )
    return int(rows[0][0])


async def cheaply(
    connection: Connection, selection: Selection, place: int
) -> tuple[int | None, int | None]:
    """Return how many rows there are before a sequence and in all, None where that is costly."""
    if of := tallied(selection):
        before, count = await _ranks(connection, selection, of, [place - 1, BEYOND])
        return before, count
    query = SelectBuilder(selection)
    rows = await connection.fetch(
        "SELECT count(*), coalesce(sum(fits AND sequence < "  # noqa: S608 - constant words
        f"{query.value(place)}), 0), coalesce(sum(fits), 0)"
        f" FROM ({query.looking(LOOKED_AT_MAX + 1)})",
        *query.values,
    )
    looked_at, before, count = rows[0]
    return (None, None) if looked_at > LOOKED_AT_MAX else (before, count)


async def counted_rows(
    connection: Connection,
    selection: Selection,
    of: Scopes,
    part: Selection,
    ids: Mapping[str, int],
    *,
    limit: int,
    backwards: bool,
    bound: Bound | None,
) -> tuple[list[Row], int, int, int]:
    """Return rows of a part as `by_arrival`, and three counts.

    How many there are in the part up to the limit, read or not, how many of all are before those,
    and how many are all. All are those of one stretch that scopes count (`tallied`). `ids` are the
    sequences of ids that have to be in the archive. Raises NotFound.
    """
    query = SelectBuilder(part)
    named = [query.value(scope) for scope in of]
    base, total = "0", all_sql(*named)
    if selection.first > 1:
        base = before_sql(query.value(selection.first), of, *named)
    if selection.last < BEYOND:
        total = before_sql(query.value(selection.last + 1), of, *named)
    sql = _PAGE.format(
        sequences=query.by_arrival(limit=limit, backwards=backwards, columns=SEQUENCES),
        page=query.by_arrival(limit=limit, backwards=backwards, columns=f"{COLUMNS}, {_PLACE}"),
        there=there_sql(query.value(json.dumps(list(ids.values())))) if ids else "0",
        base=base,
        before=before_sql("first", of, *named),
        all=total,
    )
    rows = await connection.fetch(sql, *query.values, bound=bound)
    if not rows or rows[0][-3] < len(ids):
        await check(connection, part.number, ids)
    if rows:
        found, _, before, count = rows[0][-4:]
        return rows, found, before, count
    [count] = await _ranks(connection, selection, of, [BEYOND])
    return [], 0, count, count


async def behind(
    connection: Connection, selection: Selection, index: int
) -> tuple[Selection, int]:
    """Return the selection from nearby the row of an index on, and how many rows to skip there.

    Raises TooCostly.
    """
    of = tallied(selection)
    if of is None:
        if index > LOOKED_AT_MAX:
            raise TooCostly(f"more than {LOOKED_AT_MAX} messages to skip")
        return selection, index
    number, gaps = selection.number, selection.gaps
    before, until = await through(connection, number, of, [selection.first - 1, selection.last])
    if index >= (kept := max(until - before, 0) - len(gaps)):
        rest = selection.strays[index - kept :]
        return selection.within(rest[0] if rest else BEYOND, BEYOND), 0
    passed = await _gaps_before(connection, selection, of, before, index)
    place = await place_of(connection, number, of, before + index + passed + 1)
    if place is None or place[0] < selection.first:
        return selection, index
    sequence, skip = place
    # Gaps are counted behind the place, but not read.
    skip -= sum(gap >= sequence for gap in gaps[:passed])
    return selection.within(sequence, BEYOND), skip


async def _gaps_before(
    connection: Connection, selection: Selection, of: Scopes, before: int, index: int
) -> int:
    """Return how many gaps come before the row of an index; `before` rows come before all."""
    low, high = 0, len(selection.gaps)
    while low < high:
        middle = (low + high) // 2
        [rank] = await through(connection, selection.number, of, [selection.gaps[middle]])
        if rank - before - middle - 1 <= index:
            low = middle + 1
        else:
            high = middle
    return low


def tallied(selection: Selection) -> Scopes | None:
    """Return the scopes that count this selection, None where its rows have to be looked at."""
    return scopes(selection.wanted) if selection.is_exact else None


async def _ranks(
    connection: Connection, selection: Selection, of: Scopes, places: list[int]
) -> list[int]:
    """Return how many rows of the selection there are up to each place."""
    first = selection.first - 1
    inside = [max(min(place, selection.last), first) for place in places]
    before, *counts = await through(connection, selection.number, of, [first, *inside])
    return [
        count - before - bisect(selection.gaps, place) + bisect(selection.strays, place)
        for place, count in zip(places, counts, strict=True)
    ]
