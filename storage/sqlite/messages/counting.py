"""Counts of rows and positions by count: the read side of `counters`.

A count adds up buckets, long ones first, and counts rows only at the edge of a range.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Mapping, Sequence

from storage.errors import TooCostly
from storage.rows import ANY, READABLE, Filter, Kind
from storage.sqlite.engine.protocols import Bound, Connection, Row
from storage.sqlite.messages.counters import GROUPCHAT, IN_LONG, LONG, PEOPLE, SHORT
from storage.sqlite.messages.selection import BEYOND, Selection, check, there_sql
from storage.sqlite.messages.statements import COLUMNS, SEQUENCES, SelectBuilder

#: To count rows that no counter counts, no more rows than these are read.
EXAMINED_MAX = 10_000

#: Filters whose count needs no more than the row of the owner, and the statement for each.
OWNER_COUNTS = {
    ANY: "SELECT messages FROM owners WHERE jid = $1",
    Filter(kinds=READABLE): """
        SELECT messages - (
            SELECT count(*) FROM archive INDEXED BY archive_blanked
            WHERE owner = owners.number AND kind = 'blanked'
        ) FROM owners WHERE jid = $1
    """,
}

# One statement, so that the counts are of the same moment as the page. Of each message only the
# sequence is read twice, so that reading ends where the page is full.
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


_TOTAL = f"""
(SELECT coalesce(sum(messages), 0) FROM counters
 WHERE owner = $1 AND series IN ({{one}}, {{other}}) AND bucket_size = {LONG})
"""  # noqa: S608 - constant words

_BEFORE = f"""
(SELECT coalesce(sum(messages), 0) FROM counters
 WHERE owner = $1 AND series IN ({{one}}, {{other}})
   AND bucket_size = {LONG} AND bucket < {{place}} / {LONG})
+ (SELECT coalesce(sum(messages), 0) FROM counters
   WHERE owner = $1 AND series IN ({{one}}, {{other}})
     AND bucket_size = {SHORT} AND bucket < {{place}} / {SHORT}
     AND bucket >= {{place}} / {LONG} * {IN_LONG})
+ (SELECT count(*) FROM archive
   WHERE owner = $1 AND sequence >= {{place}} / {SHORT} * {SHORT} AND sequence < {{place}}
     AND {{is_in}})
"""  # noqa: S608 - constant words

_COUNTS_UP_TO = "SELECT {before} FROM json_each($4) AS place ORDER BY place.key"

_BUCKET_OF = f"""
WITH buckets AS (
    SELECT bucket, sum(messages) AS messages FROM counters
    WHERE owner = $1 AND series IN ($2, $3) AND bucket_size = {SHORT} GROUP BY bucket
), running AS (
    SELECT bucket, messages, sum(messages) OVER (ORDER BY bucket) AS total FROM buckets
)
SELECT bucket * {SHORT}, total - messages FROM running
WHERE total >= $4 ORDER BY bucket LIMIT 1
"""  # noqa: S608 - constant words


_IS_IN = {
    (PEOPLE, GROUPCHAT): "true",
    (PEOPLE, PEOPLE): "type <> 'groupchat'",
    (GROUPCHAT, GROUPCHAT): "type = 'groupchat'",
}

#: Two series of counters; a single one comes twice.
Series = tuple[str, str]


def series_of(filter: Filter) -> Series | None:
    """Return the series that count the messages of a filter, times and ids aside."""
    if filter.peer_local is not None or filter.resource is not None:
        return None
    if filter.ids is not None or filter.kinds is not None or filter.phrases is not None:
        return None
    if filter.peer is None:
        people = GROUPCHAT if filter.groupchat else PEOPLE
        return (people, GROUPCHAT if filter.groupchat is None else people)
    if filter.groupchat is not None or filter.peer in (PEOPLE, GROUPCHAT):
        return None
    return (filter.peer, filter.peer)


async def count_of_owner(connection: Connection, owner: str, filter: Filter) -> int | None:
    """Return how many rows match, by the JID of the owner; None for a filter not in AT_ONCE."""
    sql = OWNER_COUNTS.get(filter)
    if sql is None:
        return None
    rows = await connection.fetch(sql, owner)
    return int(rows[0][0]) if rows else 0


async def count_exactly(connection: Connection, selection: Selection) -> int:
    """Return how many rows there are, at any cost."""
    if selection.filter.kinds == READABLE:
        # Counters count blanked messages too, and those have an index of their own.
        blanked = await count_exactly(connection, selection.of_kinds(frozenset({Kind.BLANKED})))
        return await count_exactly(connection, selection.of_kinds(None)) - blanked
    if series := counted_by(selection):
        [count] = await _counts(connection, selection, series, [BEYOND])
        return count
    query = SelectBuilder(selection)
    rows = await connection.fetch(
        f"SELECT count(*) FROM ({query.rows('1')})",  # noqa: S608 - constant words
        *query.values,
    )
    return int(rows[0][0])


async def position_and_count(
    connection: Connection, selection: Selection, place: int
) -> tuple[int | None, int | None]:
    """Return how many rows there are before a sequence and in all, None where that costs much."""
    if series := counted_by(selection):
        before, count = await _counts(connection, selection, series, [place - 1, BEYOND])
        return before, count
    query = SelectBuilder(selection)
    rows = await connection.fetch(
        "SELECT count(*), coalesce(sum(fits AND sequence < "  # noqa: S608 - constant words
        f"{query.value(place)}), 0), coalesce(sum(fits), 0)"
        f" FROM ({query.examined(EXAMINED_MAX + 1)})",
        *query.values,
    )
    looked_at, before, count = rows[0]
    return (None, None) if looked_at > EXAMINED_MAX else (before, count)


async def counted_rows(
    connection: Connection,
    selection: Selection,
    series: Series,
    part: Selection,
    ids: Mapping[str, int],
    *,
    limit: int,
    backwards: bool,
    bound: Bound | None,
) -> tuple[list[Row], int, int, int]:
    """Return rows of a part as `by_arrival`, and three counts.

    Those are the rows of the part up to the limit, read or not; the rows of the selection before
    them; and all rows of the selection, which is one range that counters count. `ids` are the
    sequences of ids that have to be in the archive. Raises NotFound.
    """
    query = SelectBuilder(part)
    named = [query.value(name) for name in series]
    base, total = "0", total_sql(*named)
    if selection.first > 1:
        base = before_sql(query.value(selection.first), series, *named)
    if selection.last < BEYOND:
        total = before_sql(query.value(selection.last + 1), series, *named)
    sql = _PAGE.format(
        sequences=query.by_arrival(limit=limit, backwards=backwards, columns=SEQUENCES),
        page=query.by_arrival(limit=limit, backwards=backwards, columns=f"{COLUMNS}, {_PLACE}"),
        there=there_sql(query.value(json.dumps(list(ids.values())))) if ids else "0",
        base=base,
        before=before_sql("first", series, *named),
        all=total,
    )
    rows = await connection.fetch(sql, *query.values, bound=bound)
    if not rows or rows[0][-3] < len(ids):
        await check(connection, part.number, ids)
    if rows:
        found, _, before, count = rows[0][-4:]
        return rows, found, before, count
    [count] = await _counts(connection, selection, series, [BEYOND])
    return [], 0, count, count


async def skip_to_index(
    connection: Connection, selection: Selection, index: int
) -> tuple[Selection, int]:
    """Return the selection from near the row of an index on, and how many rows to skip there.

    Raises TooCostly.
    """
    series = counted_by(selection)
    if series is None:
        if index > EXAMINED_MAX:
            raise TooCostly(f"more than {EXAMINED_MAX} messages to skip")
        return selection, index
    number, gaps = selection.number, selection.gaps
    before, until = await counts_up_to(
        connection, number, series, [selection.first - 1, selection.last]
    )
    if index >= (kept := max(until - before, 0) - len(gaps)):
        rest = selection.strays[index - kept :]
        return selection.within(rest[0] if rest else BEYOND, BEYOND), 0
    passed = await _gaps_before(connection, selection, series, before, index)
    place = await position_of(connection, number, series, before + index + passed + 1)
    if place is None or place[0] < selection.first:
        return selection, index
    sequence, skip = place
    # Gaps are counted behind the place, but not read.
    skip -= sum(gap >= sequence for gap in gaps[:passed])
    return selection.within(sequence, BEYOND), skip


async def _gaps_before(
    connection: Connection, selection: Selection, series: Series, before: int, index: int
) -> int:
    """Return how many gaps come before the row of an index; `before` rows precede all rows."""
    low, high = 0, len(selection.gaps)
    while low < high:
        middle = (low + high) // 2
        [rank] = await counts_up_to(connection, selection.number, series, [selection.gaps[middle]])
        if rank - before - middle - 1 <= index:
            low = middle + 1
        else:
            high = middle
    return low


def counted_by(selection: Selection) -> Series | None:
    """Return the series that count this selection, None where its rows have to be read."""
    return series_of(selection.filter) if selection.is_exact else None


async def _counts(
    connection: Connection, selection: Selection, series: Series, places: list[int]
) -> list[int]:
    """Return how many rows of the selection there are up to each place."""
    first = selection.first - 1
    inside = [max(min(place, selection.last), first) for place in places]
    before, *counts = await counts_up_to(connection, selection.number, series, [first, *inside])
    return [
        count - before - bisect(selection.gaps, place) + bisect(selection.strays, place)
        for place, count in zip(places, counts, strict=True)
    ]


def total_sql(first: str, second: str) -> str:
    """Return SQL for the number of rows of two series; $1 is the number of the owner."""
    return _TOTAL.format(one=first, other=second)


def before_sql(place: str, series: Series, first: str, second: str) -> str:
    """Return SQL for the number of those rows before a sequence."""
    is_in = _IS_IN.get(series, f"peer = {first}")
    return _BEFORE.format(place=place, one=first, other=second, is_in=is_in)


async def counts_up_to(
    connection: Connection, number: int, series: Series, places: Sequence[int]
) -> list[int]:
    """Return for each sequence how many rows there are up to it, inclusive."""
    sql = _COUNTS_UP_TO.format(before=before_sql("(place.value + 1)", series, "$2", "$3"))
    rows = await connection.fetch(sql, number, *series, json.dumps(places))
    return [int(row[0]) for row in rows]


async def position_of(
    connection: Connection, number: int, series: Series, rank: int
) -> tuple[int, int] | None:
    """Return a sequence and how many rows from it on precede the row of a rank (from 1).

    None where there are fewer rows.
    """
    rows = await connection.fetch(_BUCKET_OF, number, *series, rank)
    return (rows[0][0], rank - rows[0][1] - 1) if rows else None
