"""The calendar of an archive or of a conversation, its days, and single messages."""

from __future__ import annotations

from datetime import date

from aiohttp import web
from pydantic import Field

from component.core.access.principals import Role
from component.core.errors import ItemNotFound
from component.core.reading.browsing import DAY_MICROS
from component.web import keys
from component.web.auth import authenticate
from component.web.operators import calendars
from component.web.operators.messages import by_day, events, in_order, shown
from component.web.operators.models import Address, Id, NoParameters, PageParameters
from component.web.operators.rendering import date_of, days_since_epoch, render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, bare_jid, id_of, owner_of, routes_at

DAY = "days/{day:[^/]+}"
MESSAGE = "messages/{id:[^/]+}"


class ConversationParameters(PageParameters):
    """A page about one conversation, or about a whole archive."""

    with_: Address | None = Field(default=None, alias="with")

    def peer(self, request: web.Request) -> str | None:
        """Return the peer of the conversation, prepared. Raises BadRequest."""
        return None if self.with_ is None else bare_jid(request, self.with_)


class CalendarParameters(ConversationParameters):
    """GET {prefix}/archives/{owner}/calendar."""

    year: int | None = Field(default=None, ge=calendars.YEAR_MIN, le=calendars.YEAR_MAX)


class DayParameters(ConversationParameters):
    """GET {prefix}/archives/{owner}/days/{day}."""

    after: Id | None = None


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    archive = f"{prefix}{ARCHIVE}"
    return [
        *routes_at(web.get, f"{archive}/calendar", calendar),
        *routes_at(web.get, f"{archive}/{DAY}", day),
        *routes_at(web.get, f"{archive}/{MESSAGE}", message),
        *routes_at(web.get, f"{archive}/{MESSAGE}/blank", ask_to_blank),
        *routes_at(web.post, f"{archive}/{MESSAGE}/blank", blank),
    ]


async def calendar(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/calendar: a year, with the number of messages of each day."""
    owner = await owner_of(request)
    parameters = checked(CalendarParameters, body.query(request))
    peer = parameters.peer(request)
    page = await request.app[keys.browser].calendar(
        authenticate.principal(request), owner, peer, parameters.year
    )
    return render(
        request,
        "archive/calendar.html",
        owner=owner,
        peer=peer,
        year=page.year,
        years=calendars.years(page),
        months=calendars.months(page),
        is_counted=page.days is not None,
    )


async def day(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/days/{day}: the messages of a day, the oldest first."""
    owner, shown_day = await owner_of(request), _day_of(request)
    parameters = checked(DayParameters, body.query(request))
    peer = parameters.peer(request)
    page = await request.app[keys.browser].day(
        authenticate.principal(request),
        owner,
        peer,
        days_since_epoch(shown_day),
        parameters.after,
    )
    return render(
        request,
        "archive/day.html",
        owner=owner,
        peer=peer,
        day=shown_day,
        messages=list(in_order(owner, page.messages, page.gaps)),
        is_first=parameters.after is None,
        next=None if page.complete else page.messages[-1].message.stored.id,
        previous_day=_date(page.previous),
        next_day=_date(page.next),
    )


async def message(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/messages/{id}: a message, and the messages around it."""
    owner, id = await owner_of(request), id_of(request)
    checked(NoParameters, body.query(request))
    page = await request.app[keys.browser].annotated(authenticate.principal(request), owner, id)
    row = page.message.message.stored
    return render(
        request,
        "archive/message.html",
        owner=owner,
        message=shown(owner, page.message),
        first_text=page.message.message.content.body,
        xml=row.xml,
        resource=row.resource,
        events=list(events(owner, page.annotations)),
        left_out=page.left_out,
        day=_date(row.at),
        days=by_day(in_order(owner, (*page.before, page.message, *page.after), page.gaps)),
        is_held=request.app[keys.administration].holds.is_held(owner),
    )


async def ask_to_blank(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/messages/{id}/blank: a form to remove its content."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.query(request))
    return render(request, "orders/blank.html", owner=await owner_of(request), id=id_of(request))


async def blank(request: web.Request) -> web.Response:
    """POST {prefix}/archives/{owner}/messages/{id}/blank: remove the content of a message."""
    principal, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, await body.fields(request))
    await request.app[keys.orders].blank(principal, owner, id_of(request))
    return see("archives", owner, done="blanked")


def _day_of(request: web.Request) -> date:
    """Return the day in the path. Raises ItemNotFound."""
    try:
        day = date.fromisoformat(request.match_info["day"])
    except ValueError as error:
        raise ItemNotFound("A day is written like 2026-01-31.") from error
    if not calendars.YEAR_MIN <= day.year <= calendars.YEAR_MAX:
        raise ItemNotFound("No archive has messages of this year.")
    return day


def _date(at: int | None) -> date | None:
    return None if at is None else date_of(at // DAY_MICROS)
