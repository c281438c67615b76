"""Gaps: a list, those that are not filled first, and a form to note that one is filled."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.errors import BadRequest, Refused
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import NoParameters, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


class FillFields(PageParameters):
    """POST {prefix}/gaps/fill."""

    number: int
    confirm: bool = False


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/gaps", show_gaps),
        *routes_at(web.post, f"{prefix}/gaps/fill", fill_gap),
    ]


async def show_gaps(request: web.Request) -> web.Response:
    """GET {prefix}/gaps: all gaps, the unfilled ones first, and of these the newest."""
    checked(NoParameters, body.query(request))
    return _page(request)


async def fill_gap(request: web.Request) -> web.Response:
    """POST {prefix}/gaps/fill: note that the messages of a gap were fetched from elsewhere."""
    principal = authenticate.require(request, Role.ADMIN)
    fields = checked(FillFields, await body.fields(request))
    commands = request.app[keys.commands]
    try:
        if not fields.confirm:
            raise BadRequest(
                "Confirm that the missing messages were fetched from elsewhere: tick the box"
                " beside the button."
            )
        submitted = {"number": [str(fields.number)]}
        await commands.run(principal, commands.find("fill-gap"), submitted)
    except Refused as refused:
        return _page(request, refused)
    return see("gaps")


def _page(request: web.Request, refused: Refused | None = None) -> web.Response:
    newest_first = request.app[keys.gaps].all()[::-1]
    return render(
        request,
        "service/gaps.html",
        refused=refused,
        gaps=sorted(newest_first, key=lambda gap: gap.filled_at > 0),
    )
