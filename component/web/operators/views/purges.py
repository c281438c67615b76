"""Purges: the running one and the last one, a preview, and a form to start one."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.commands.spec import Outcome
from component.core.errors import BadRequest, Refused
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import Address, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import bare_jid, routes_at


class PurgesParameters(PageParameters):
    """GET {prefix}/purges, POST {prefix}/purges/preview."""

    owner: Address = ""  #: "": all archives


class PurgeFields(PurgesParameters):
    """POST {prefix}/purges."""

    confirm: bool = False


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/purges", show_purges),
        *routes_at(web.post, f"{prefix}/purges", start_purge),
        *routes_at(web.post, f"{prefix}/purges/preview", preview_purge),
    ]


async def show_purges(request: web.Request) -> web.Response:
    """GET {prefix}/purges: the running purge, and the last one."""
    authenticate.require(request, Role.ADMIN)
    parameters = checked(PurgesParameters, body.query(request))
    return _page(request, parameters.owner)


async def preview_purge(request: web.Request) -> web.Response:
    """POST {prefix}/purges/preview: count the messages that a purge would delete."""
    principal = authenticate.require(request, Role.ADMIN)
    fields = checked(PurgesParameters, await body.fields(request))
    commands = request.app[keys.commands]
    submitted = {"owner": [fields.owner]} if fields.owner else {}
    try:
        preview = await commands.preview(principal, commands.find("purge"), submitted)
    except Refused as refused:
        return _page(request, fields.owner, refused)
    return _page(request, fields.owner, preview=preview)


async def start_purge(request: web.Request) -> web.Response:
    """POST {prefix}/purges: delete the messages over the retention limits."""
    principal = authenticate.require(request, Role.ADMIN)
    fields = checked(PurgeFields, await body.fields(request))
    try:
        if not fields.confirm:
            raise BadRequest(
                "Confirm that messages over the limits are deleted for ever: tick the box."
            )
        owner = bare_jid(request, fields.owner) if fields.owner else None
        await request.app[keys.orders].purge(principal, owner, is_confirmed=True)
    except Refused as refused:
        return _page(request, fields.owner, refused)
    return see("purges", owner=fields.owner)


def _page(
    request: web.Request,
    owner: str,
    refused: Refused | None = None,
    preview: Outcome | None = None,
) -> web.Response:
    janitor = request.app[keys.administration].janitor
    return render(
        request,
        "orders/purges.html",
        refused=refused,
        owner=owner,
        preview=preview,
        current=janitor.current,
        last=janitor.last,
    )
