"""Years and months as tables, with the number of messages of each day."""

from __future__ import annotations

from calendar import MONDAY, Calendar, month_name
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from component.core.reading import browsing
from component.web.operators.rendering import date_of
from storage.rows import DayCount

#: The years that times in microseconds and dates of Python have in common.
YEAR_MIN, YEAR_MAX = 1970, 9998

_CALENDAR = Calendar(MONDAY)


@dataclass(frozen=True, slots=True)
class DayCell:
    """A day in the table of a month; a day of another month has no number."""

    day: date | None
    messages: int


@dataclass(frozen=True, slots=True)
class Month:
    """The weeks of a month."""

    first: date
    name: str
    messages: int
    weeks: tuple[tuple[DayCell, ...], ...]


@dataclass(frozen=True, slots=True)
class MonthCount:
    """The number of messages of one month."""

    first: date
    last: date
    messages: int

    @property
    def label(self) -> str:
        """The month, like 2026-01."""
        return f"{self.first:%Y-%m}"


def years(page: browsing.Calendar) -> Sequence[int]:
    """Return the years from the first to the last message."""
    ends = [browsing.year_of(at) for at in (page.first, page.last) if at is not None]
    return range(min(ends), max(ends) + 1) if ends else ()


def months(page: browsing.Calendar) -> tuple[Month, ...]:
    """Return the months of the year of a page that have messages, with their days."""
    year = page.year or YEAR_MIN
    by_date = {date_of(count.day): count.messages for count in page.days or ()}
    all_months = (_month(year, number, by_date) for number in range(1, 13))
    return tuple(month for month in all_months if month.messages)


def count_months(counts: Iterable[DayCount]) -> tuple[MonthCount, ...]:
    """Return the number of messages of each month that has any."""
    totals: dict[date, int] = {}
    for count in counts:
        first = date_of(count.day).replace(day=1)
        totals[first] = totals.get(first, 0) + count.messages
    return tuple(MonthCount(first, last_of(first), total) for first, total in totals.items())


def last_of(first: date) -> date:
    """Return the last day of the month that begins with a day."""
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


def _month(year: int, number: int, by_date: Mapping[date, int]) -> Month:
    weeks = tuple(
        tuple(
            DayCell(day, by_date.get(day, 0)) if day.month == number else DayCell(None, 0)
            for day in week
        )
        for week in _CALENDAR.monthdatescalendar(year, number)
    )
    total = sum(cell.messages for week in weeks for cell in week)
    return Month(date(year, number, 1), f"{month_name[number]} {year}", total, weeks)
