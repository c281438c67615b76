"""The number of messages of an archive over time, as plots and as tables."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from component.web import keys
from component.web.auth import authenticate
from component.web.operators import calendars
from component.web.operators.plots import plot
from component.web.operators.rendering import date_of, render
from component.web.operators.views.days import ConversationParameters
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at
from storage.rows import DayCount

#: The greatest number of bars of a plot.
_BARS_MAX = 400


class FiguresParameters(ConversationParameters):
    """GET {prefix}/archives/{owner}/figures."""

    year: int | None = Field(default=None, ge=calendars.YEAR_MIN, le=calendars.YEAR_MAX)


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/figures", figures)


async def figures(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/figures: messages by month, or by day of one year."""
    owner = await owner_of(request)
    parameters = checked(FiguresParameters, body.query(request))
    peer, year = parameters.peer(request), parameters.year
    page = await request.app[keys.browser].activity(
        authenticate.principal(request), owner, peer, year
    )
    days = page.days or ()
    values = _by_month(days) if year is None else _by_day(days)
    title = "Messages by month" if year is None else f"Messages by day of {year}"
    return render(
        request,
        "archive/figures.html",
        owner=owner,
        peer=peer,
        year=year,
        years=calendars.years(page),
        is_counted=page.days is not None,
        plot=plot("messages", title, "message", values[-_BARS_MAX:]),
        total=sum(count.messages for count in days),
    )


def _by_month(days: tuple[DayCount, ...]) -> list[tuple[str, int]]:
    """Return the months from the first to the last one, also those without messages."""
    counts = calendars.count_months(days)
    if not counts:
        return []
    by_label = {count.label: count.messages for count in counts}
    first, last = counts[0].first, counts[-1].first
    labels = [
        f"{number // 12:04d}-{number % 12 + 1:02d}"
        for number in range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    ]
    return [(label, by_label.get(label, 0)) for label in labels]


def _by_day(days: tuple[DayCount, ...]) -> list[tuple[str, int]]:
    """Return the days from the first to the last one, also those without messages."""
    by_day = {count.day: count.messages for count in days}
    return [
        (date_of(day).isoformat(), by_day.get(day, 0))
        for day in range(min(by_day, default=0), max(by_day, default=-1) + 1)
    ]
