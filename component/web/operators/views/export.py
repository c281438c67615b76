"""The export of an archive, or of all that the store has about a user, as a file."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from component.core.errors import BadRequest, Refused
from component.web import keys
from component.web.admin.export import send_archive
from component.web.auth import authenticate
from component.web.operators.models import NoParameters, PageParameters
from component.web.operators.rendering import headers, render
from component.web.server import body
from component.web.server.limits import time_limit
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at


class ExportFields(PageParameters):
    """POST {prefix}/archives/{owner}/export."""

    format: Literal["jsonl", "xep0227", "personal-data"] = "jsonl"
    confirm: bool = False


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path = f"{prefix}{ARCHIVE}/export"
    return [*routes_at(web.get, path, ask_to_export), *routes_at(web.post, path, export)]


async def ask_to_export(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/export: a form."""
    owner = await owner_of(request)
    checked(NoParameters, body.query(request))
    return render(request, "orders/export.html", owner=owner)


async def export(request: web.Request) -> web.StreamResponse:
    """POST {prefix}/archives/{owner}/export: the whole archive, as it is now."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    async with time_limit(request):
        fields = checked(ExportFields, await body.fields(request))
    try:
        if not fields.confirm:
            raise BadRequest("Confirm that you may take a copy of this archive: tick the box.")
        with request.config_dict[keys.stream_limit].slot(principal.name):
            return await send_archive(request, principal, owner, fields.format, headers())
    except Refused as refused:
        return render(request, "orders/export.html", refused=refused, owner=owner)
