"""Render pages from templates: every value is escaped, and every page has a strict policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from aiohttp import hdrs, web
from markupsafe import Markup

from component.core.access.principals import Role
from component.core.access.roles import has_role
from component.core.errors import Refused
from component.core.wording import count_of, duration_of, size_of
from component.core.xml.times import format_time
from component.web import keys
from component.web.pages import policy
from component.web.pages.templates import environment_of

if TYPE_CHECKING:
    from jinja2 import Environment

#: The path of the operators' pages on the private listener.
PREFIX = "/operators"

_TEMPLATES = Path(__file__).parent / "templates"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def headers() -> dict[str, str]:
    """Return the headers of every page."""
    return {**policy.headers(has_forms=True), hdrs.CACHE_CONTROL: "no-store"}


def render(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    refused: Refused | None = None,
    **values: Any,
) -> web.Response:
    """Return a page. `refused` is the refusal of a form on it, which the page shows at its top."""
    principal = request.get(keys.principal)
    text = (
        environment()
        .get_template(template)
        .render(
            operator=None if principal is None else principal.name,
            is_admin=principal is not None and has_role(principal, Role.ADMIN),
            refusal=None if refused is None else refused.message,
            **values,
        )
    )
    return _html(text, status if refused is None else refused.status)


def error(
    _condition: str, message: str, status: int, more: Mapping[str, str] | None = None
) -> web.Response:
    """Return the page of a refusal or a fault, in the form of `errors.Shape`."""
    text = (
        environment()
        .get_template("error.html")
        .render(operator=None, is_admin=False, refusal=None, message=message, status=status)
    )
    response = _html(text, status)
    response.headers.update(more or {})
    return response


def see(*parts: str, **parameters: object) -> web.Response:
    """Return a redirection to a page, which the browser reads by GET."""
    response = web.Response(status=303, headers=headers())
    response.headers[hdrs.LOCATION] = url(*parts, **parameters)
    return response


def url(*parts: str, **parameters: object) -> str:
    """Return the path of a page, with the parameters that have a value.

    A name ends with "_" where it is a word of Python, such as `with_`.
    """
    path = "/".join([PREFIX, *(quote(part, safe="@") for part in parts)])
    query = urlencode(
        {
            name.rstrip("_"): value
            for name, value in parameters.items()
            if value is not None and value != ""
        },
        safe="@",
    )
    return f"{path}?{query}" if query else path


@cache
def environment() -> Environment:
    """Return the environment of the templates; they are compiled once."""
    templates = environment_of(_TEMPLATES, base=PREFIX)
    templates.filters.update(
        time=show_time,
        duration=show_duration,
        size=show_size,
        number=show_number,
        day=show_day,
        count=count_of,
    )
    templates.globals["url"] = url
    return templates


def show_time(at: int | None) -> Markup | str:
    """Return a time in microseconds as an element, which a script shows in the reader's zone."""
    if at is None:
        return "—"
    moment = format_time(at)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        moment, moment[:19].replace("T", " ")
    )


def show_duration(micros: int) -> str:
    """Return a number of microseconds in its two greatest units, like 2 hours 5 minutes."""
    return duration_of(micros / 1_000_000)


def show_day(day: int | date) -> str:
    """Return a day, or a number of days since the epoch, like Thursday, 1 January 2026."""
    shown = date_of(day) if isinstance(day, int) else day
    return f"{shown:%A}, {shown.day} {shown:%B} {shown.year}"


def date_of(day: int) -> date:
    """Return the date of a number of days since the epoch."""
    return (_EPOCH + timedelta(days=day)).date()


def days_since_epoch(day: date) -> int:
    """Return the number of days since the epoch of a date."""
    return (day - _EPOCH.date()).days


def show_size(size: int | None) -> str:
    """Return a number of bytes like 1.2 MB."""
    return "—" if size is None else size_of(size)


def show_number(number: int | None) -> str:
    """Return a number with separators of thousands."""
    return "—" if number is None else f"{number:,}"


def _html(text: str, status: int) -> web.Response:
    # The address of a message may have half a character in it.
    return web.Response(
        body=text.encode(errors="replace"),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers=headers(),
    )
