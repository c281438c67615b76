"""Counts rows, and finds rows by their position, with the counters that `counter_updates` writes.

A count adds up long buckets, then short buckets, and counts rows only at the edge of a range.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Mapping, Sequence

from storage.errors import TooCostly
from storage.rows import ANY, READABLE, Filter, Kind
from storage.sql.database import Bound, Connection, Row
from storage.sql.messages.counter_updates import GROUPCHAT, IN_LONG, LONG, PEOPLE, SHORT
from storage.sql.messages.selection import BEYOND, Selection, check, existing_sql
from storage.sql.messages.statements import COLUMNS, SEQUENCES, SelectBuilder

#: Maximum number of rows that are read to count rows for which there is no counter.
EXAMINED_MAX = 10_000

#: Statements for the filters that need only the row of the owner to count.
OWNER_COUNTS = {
    ANY: "SELECT messages FROM owners WHERE jid = $1",
    Filter(kinds=READABLE): """
        SELECT messages - (
            SELECT count(*) FROM archive /* INDEXED BY archive_blanked */
            WHERE owner = owners.number AND kind = 'blanked'
        ) FROM owners WHERE jid = $1
    """,
}

# One statement, so that the counts and the page come from the same state of the database. It reads
# the sequences first and then the messages, so that it can stop when the page is full.
_PAGE = """
WITH page AS MATERIALIZED ({sequences}),
edge AS MATERIALIZED (SELECT min(sequence) AS first, count(*) AS row_count FROM page),
base AS MATERIALIZED (SELECT {base} AS earlier),
place AS MATERIALIZED (
    SELECT row_count, ({existing}) AS existing,
        {before} - base.earlier AS earlier, {all} - base.earlier AS total
    FROM edge, base
)
{page}
"""
_PLACE = ", ".join(
    f"(SELECT {name} FROM place)"  # noqa: S608 - constant words
    for name in ("row_count", "existing", "earlier", "total")
)


_TOTAL = f"""
(SELECT CAST(coalesce(sum(messages), 0) AS bigint) FROM counters
 WHERE owner = $1 AND series IN ({{first}}, {{second}}) AND bucket_size = {LONG})
"""  # noqa: S608 - constant words

_BEFORE = f"""
(SELECT CAST(coalesce(sum(messages), 0) AS bigint) FROM counters
 WHERE owner = $1 AND series IN ({{first}}, {{second}})
   AND bucket_size = {LONG} AND bucket < {{place}} / {LONG})
+ (SELECT CAST(coalesce(sum(messages), 0) AS bigint) FROM counters
   WHERE owner = $1 AND series IN ({{first}}, {{second}})
     AND bucket_size = {SHORT} AND bucket < {{place}} / {SHORT}
     AND bucket >= {{place}} / {LONG} * {IN_LONG})
+ (SELECT count(*) FROM archive
   WHERE owner = $1 AND sequence >= {{place}} / {SHORT} * {SHORT} AND sequence < {{place}}
     AND {{condition}})
"""  # noqa: S608 - constant words

_COUNTS_UP_TO = """
SELECT {before} FROM jsonb_to_recordset($4) AS place (key bigint, value bigint) ORDER BY place.key
"""

_BUCKET_OF = f"""
WITH buckets AS (
    SELECT bucket, CAST(sum(messages) AS bigint) AS messages FROM counters
    WHERE owner = $1 AND series IN ($2, $3) AND bucket_size = {SHORT} GROUP BY bucket
), running AS (
    SELECT bucket, messages,
        CAST(sum(messages) OVER (ORDER BY bucket) AS bigint) AS total FROM buckets
)
SELECT bucket * {SHORT}, total - messages FROM running
WHERE total >= $4 ORDER BY bucket LIMIT 1
"""  # noqa: S608 - constant words


_SERIES_CONDITIONS = {
    (PEOPLE, GROUPCHAT): "true",
    (PEOPLE, PEOPLE): "type <> 'groupchat'",
    (GROUPCHAT, GROUPCHAT): "type = 'groupchat'",
}

#: Two series of counters, the same one twice if one series is enough.
Series = tuple[str, str]


def series_of(filter: Filter) -> Series | None:
    """Return the series that count the messages of a filter, without its times and ids."""
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
    """Return the number of matching rows; None for a filter that is not in OWNER_COUNTS."""
    sql = OWNER_COUNTS.get(filter)
    if sql is None:
        return None
    rows = await connection.fetch(sql, owner)
    return int(rows[0][0]) if rows else 0


async def count_exactly(connection: Connection, selection: Selection) -> int:
    """Return the exact number of rows, at any cost."""
    if selection.filter.kinds == READABLE:
        # Counters count blanked messages too. These have an index of their own.
        blanked = await count_exactly(connection, selection.of_kinds(frozenset({Kind.BLANKED})))
        return await count_exactly(connection, selection.of_kinds(None)) - blanked
    if series := counted_by(selection):
        [count] = await _counts(connection, selection, series, [BEYOND])
        return count
    query = SelectBuilder(selection, connection.index)
    rows = await connection.fetch(
        f"SELECT count(*) FROM ({query.rows('1')}) AS matching",  # noqa: S608 - constant words
        *query.values,
    )
    return int(rows[0][0])


async def position_and_count(
    connection: Connection, selection: Selection, place: int
) -> tuple[int | None, int | None]:
    """Return the number of rows before a sequence, and of all rows; None if that costs much."""
    if series := counted_by(selection):
        before, count = await _counts(connection, selection, series, [place - 1, BEYOND])
        return before, count
    query = SelectBuilder(selection, connection.index)
    rows = await connection.fetch(
        "SELECT count(*), count(*) FILTER (WHERE fits AND sequence < "  # noqa: S608 - constant words
        f"{query.value(place)}), count(*) FILTER (WHERE fits)"
        f" FROM ({query.examined(EXAMINED_MAX + 1)}) AS examined",
        *query.values,
    )
    examined, before, count = rows[0]
    return (None, None) if examined > EXAMINED_MAX else (before, count)


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
    """Return rows of a part of a selection, as `by_arrival` does, and three counts.

    The first count is the number of rows of the part, up to the limit, including rows that the
    bound cut off. The second is the number of rows of the selection before them, the third that of
    all rows of the selection. The selection has to be one range that counters count. `ids` has
    the sequences of ids that have to be in the archive. Raises NotFound.
    """
    query = SelectBuilder(part, connection.index)
    placeholders = [query.value(name) for name in series]
    base, total = "0", total_sql(*placeholders)
    if selection.first > 1:
        base = before_sql(_bigint(query.value(selection.first)), series, *placeholders)
    if selection.last < BEYOND:
        total = before_sql(_bigint(query.value(selection.last + 1)), series, *placeholders)
    sql = _PAGE.format(
        sequences=query.by_arrival(limit=limit, backwards=backwards, columns=SEQUENCES),
        page=query.by_arrival(limit=limit, backwards=backwards, columns=f"{COLUMNS}, {_PLACE}"),
        existing=existing_sql(query.value(list(ids.values()))) if ids else "0",
        base=base,
        before=before_sql("first", series, *placeholders),
        all=total,
    )
    rows = await connection.fetch(sql, *query.values, bound=bound)
    if not rows or rows[0][-3] < len(ids):
        await check(connection, part.number, ids)
    if rows:
        row_count, _, before, count = rows[0][-4:]
        return rows, row_count, before, count
    [count] = await _counts(connection, selection, series, [BEYOND])
    return [], 0, count, count


async def skip_to_index(
    connection: Connection, selection: Selection, index: int
) -> tuple[Selection, int]:
    """Return the part of the selection that starts near an index, and the number of rows to skip.

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
    if index >= (counted := max(until - before, 0) - len(gaps)):
        later_strays = selection.strays[index - counted :]
        first = later_strays[0] if later_strays else BEYOND
        return selection.within(first, BEYOND), 0
    skipped_gaps = await _gaps_before(connection, selection, series, before, index)
    place = await position_of(connection, number, series, before + index + skipped_gaps + 1)
    if place is None or place[0] < selection.first:
        return selection, index
    sequence, skip = place
    # The rank counts the gaps after the sequence, but the query does not return them.
    skip -= sum(gap >= sequence for gap in gaps[:skipped_gaps])
    return selection.within(sequence, BEYOND), skip


async def _gaps_before(
    connection: Connection, selection: Selection, series: Series, before: int, index: int
) -> int:
    """Return the number of gaps before the row of an index.

    `before` is the number of counted rows before the selection.
    """
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
    """Return the series that count a selection, None if its rows have to be read."""
    return series_of(selection.filter) if selection.is_exact else None


async def _counts(
    connection: Connection, selection: Selection, series: Series, places: list[int]
) -> list[int]:
    """Return the number of rows of the selection up to each of these sequences, inclusive."""
    first = selection.first - 1
    inside = [max(min(place, selection.last), first) for place in places]
    before, *counts = await counts_up_to(connection, selection.number, series, [first, *inside])
    return [
        count - before - bisect(selection.gaps, place) + bisect(selection.strays, place)
        for place, count in zip(places, counts, strict=True)
    ]


def total_sql(first: str, second: str) -> str:
    """Return SQL for the number of rows of two series; $1 is the number of the owner."""
    return _TOTAL.format(first=first, second=second)


def before_sql(place: str, series: Series, first: str, second: str) -> str:
    """Return SQL for the number of rows of two series before a sequence."""
    condition = _SERIES_CONDITIONS.get(series, f"peer = {first}")
    return _BEFORE.format(place=place, first=first, second=second, condition=condition)


def _bigint(placeholder: str) -> str:
    """Return SQL for a sequence: beside a constant, a value would be taken for a short integer."""
    return f"CAST({placeholder} AS bigint)"


async def counts_up_to(
    connection: Connection, number: int, series: Series, places: Sequence[int]
) -> list[int]:
    """Return the number of rows of a series up to each of these sequences, inclusive."""
    sql = _COUNTS_UP_TO.format(before=before_sql("(place.value + 1)", series, "$2", "$3"))
    rows = await connection.fetch(
        sql, number, *series, json.dumps([{"key": n, "value": p} for n, p in enumerate(places)])
    )
    return [int(row[0]) for row in rows]


async def position_of(
    connection: Connection, number: int, series: Series, rank: int
) -> tuple[int, int] | None:
    """Return the first sequence of the bucket that has the row of a rank, and a number of rows.

    Ranks start at 1. The number counts the rows of the bucket before that row. The result is None
    if there are fewer rows.
    """
    rows = await connection.fetch(_BUCKET_OF, number, *series, rank)
    return (rows[0][0], rank - rows[0][1] - 1) if rows else None
