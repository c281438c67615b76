"""Counts the messages of each day, and searches the XML of the newest messages of a selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.rows import XML_EXAMINED_MAX, DayCount
from storage.sql.database import Bound, Connection, Row
from storage.sql.messages.selection import Selection
from storage.sql.messages.statements import COLUMNS, SEQUENCES, SelectBuilder

#: Microseconds of a day.
_DAY = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """The newest rows of a selection, as many as one search examines."""

    selection: Selection
    examined: int  #: number of rows
    first_examined: int | None  #: sequence of the oldest row; None: there is no older row


@dataclass(frozen=True, slots=True)
class Matches:
    """The rows that a search matches, the newest first, and the number of all matches."""

    rows: list[Row]
    count: int


async def days(connection: Connection, selection: Selection) -> tuple[DayCount, ...]:
    """Return the number of rows of each day that has any, in the order of days."""
    query = SelectBuilder(selection, connection.index)
    rows = await connection.fetch(
        f"SELECT at / {_DAY} AS day, count(*) FROM ({query.rows('at')}) AS matching"  # noqa: S608 - constant words
        " GROUP BY day ORDER BY day",
        *query.values,
    )
    return tuple(DayCount(row[0], row[1]) for row in rows)


async def window(connection: Connection, selection: Selection) -> Window:
    """Return the newest rows of a selection."""
    query = SelectBuilder(selection, connection.index)
    newest = query.by_arrival(limit=XML_EXAMINED_MAX + 1, backwards=True, columns=SEQUENCES)
    rows = await connection.fetch(newest, *query.values)
    examined = rows[:XML_EXAMINED_MAX]
    if len(rows) == len(examined):
        return Window(selection, len(examined), None)
    first = examined[-1][0]
    return Window(selection.within(first, selection.last), len(examined), first)


async def search_xml(
    connection: Connection,
    window: Window,
    texts: Sequence[str],
    limit: int,
    bound: Bound | None,
) -> Matches:
    """Return the newest `limit` rows with one of the texts in their XML, and one row more."""
    query = SelectBuilder(window.selection, connection.index)
    rows = query.rows(COLUMNS)
    conditions = " OR ".join(f"strpos(xml, {query.value(text)}) > 0" for text in texts)
    matching = f"FROM ({rows}) AS examined WHERE {conditions}"
    [[count]] = await connection.fetch(f"SELECT count(*) {matching}", *query.values)
    if not limit or not count:
        return Matches([], count)
    newest = f"SELECT * {matching} ORDER BY sequence DESC LIMIT {query.value(limit + 1)}"
    return Matches(await connection.fetch(newest, *query.values, bound=bound), count)
