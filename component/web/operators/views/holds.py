"""Legal holds: a list, and forms to place and release them."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from component.core.access.principals import Role
from component.core.errors import BadRequest, Refused
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import Address, PageParameters
from component.web.operators.rendering import render, see
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import bare_jid, routes_at


class HoldsParameters(PageParameters):
    """GET {prefix}/holds."""

    subject: Address = ""  #: to fill in the form


class HoldFields(PageParameters):
    """POST {prefix}/holds."""

    subject: Address
    reason: Annotated[str, Field(max_length=1000)]


class ReleaseFields(PageParameters):
    """POST {prefix}/holds/release."""

    subject: Address
    confirm: bool = False


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/holds", show_holds),
        *routes_at(web.post, f"{prefix}/holds", place_hold),
        *routes_at(web.post, f"{prefix}/holds/release", release_hold),
    ]


async def show_holds(request: web.Request) -> web.Response:
    """GET {prefix}/holds: all legal holds."""
    authenticate.require(request, Role.ADMIN)
    parameters = checked(HoldsParameters, body.query(request))
    return _page(request, entered={"subject": parameters.subject})


async def place_hold(request: web.Request) -> web.Response:
    """POST {prefix}/holds: keep all messages of a user or a host."""
    principal = authenticate.require(request, Role.ADMIN)
    values = await body.fields(request)
    try:
        fields = checked(HoldFields, values)
        subject = bare_jid(request, fields.subject.strip())
        await request.app[keys.orders].hold(principal, subject, fields.reason)
    except Refused as refused:
        return _page(request, refused, values)
    return see("holds")


async def release_hold(request: web.Request) -> web.Response:
    """POST {prefix}/holds/release: release a hold."""
    principal = authenticate.require(request, Role.ADMIN)
    fields = checked(ReleaseFields, await body.fields(request))
    try:
        if not fields.confirm:
            raise BadRequest(
                f"Confirm that messages of {fields.subject} may be deleted again: tick the box"
                " beside the button."
            )
        await request.app[keys.orders].release(principal, bare_jid(request, fields.subject))
    except Refused as refused:
        return _page(request, refused)
    return see("holds")


def _page(
    request: web.Request,
    refused: Refused | None = None,
    entered: dict[str, object] | None = None,
) -> web.Response:
    return render(
        request,
        "orders/holds.html",
        refused=refused,
        holds=request.app[keys.administration].holds.all(),
        fields=entered or {},
    )
