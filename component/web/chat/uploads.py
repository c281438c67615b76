"""Slots for files: {prefix}/v1/chat/uploads."""

from __future__ import annotations

from aiohttp import web

from component.core.errors import NotImplementedHere
from component.web.archive.models import NoParameters
from component.web.chat.answers import UploadSlot
from component.web.chat.models import UploadFields
from component.web.chat.requests import chat_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.post, f"{prefix}/uploads", slot)


@operation("chat.uploads.slot", body=UploadFields, answers={201: UploadSlot})
async def slot(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/uploads: get an address to send a file to."""
    user, chat = await chat_of(request)
    checked(NoParameters, body.parameters(request))
    fields = checked(UploadFields, await body.fields(request))
    if chat.uploads is None:
        raise NotImplementedHere("There are no uploads here (sessions.enabled is false).")
    place = await chat.uploads.slot(user, name=fields.name, size=fields.size, type=fields.type)
    return body.json_response(
        {"put": place.put, "get": place.get, "headers": place.headers}, status=201
    )
