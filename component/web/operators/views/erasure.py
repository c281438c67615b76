"""The erasure of an archive: a preview, and a form in which the operator types its owner."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.errors import BadRequest, Refused
from component.core.retention.erasure import TIMEOUT_SHARE
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import Address, NoParameters, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at


class ErasureFields(PageParameters):
    """POST {prefix}/archives/{owner}/erase."""

    owner: Address = ""  #: as the operator has typed it


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    erasure = f"{prefix}{ARCHIVE}/erase"
    return [
        *routes_at(web.get, erasure, ask_to_erase),
        *routes_at(web.post, erasure, erase),
    ]


async def ask_to_erase(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/erase: what an erasure would delete."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.query(request))
    return await _page(request, await owner_of(request))


async def erase(request: web.Request) -> web.Response:
    """POST {prefix}/archives/{owner}/erase: erase the archive."""
    principal, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    fields = checked(ErasureFields, await body.fields(request))
    wait_seconds = TIMEOUT_SHARE * request.app[keys.limits].request_timeout_seconds
    try:
        if fields.owner.strip() != owner:
            raise BadRequest(f"Nothing is erased: to confirm the erasure, type {owner}.")
        removed = await request.app[keys.orders].erase(principal, owner, wait_seconds=wait_seconds)
    except Refused as refused:
        return await _page(request, owner, refused)
    return see("archives", owner, done="erased" if removed.done else "erasing")


async def _page(request: web.Request, owner: str, refused: Refused | None = None) -> web.Response:
    commands = request.app[keys.commands]
    preview = await commands.preview(
        authenticate.principal(request), commands.find("erase"), {"owner": [owner]}
    )
    return render(
        request,
        "orders/erase.html",
        refused=refused,
        owner=owner,
        preview=preview,
        is_held=request.app[keys.administration].holds.is_held(owner),
    )
