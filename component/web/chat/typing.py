"""Typing: {prefix}/v1/chat/conversations/{jid}/typing."""

from __future__ import annotations

from aiohttp import web

from component.core.errors import NotImplementedHere
from component.web import keys
from component.web.archive.models import NoParameters
from component.web.chat.models import TypingFields
from component.web.chat.requests import chat_of, jid_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.post, f"{prefix}/conversations/{{jid:[^/]+}}/typing", send)


@operation("chat.typing.send", body=TypingFields, answers={204: None})
async def send(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/conversations/{jid}/typing: send a chat state."""
    user, chat = await chat_of(request)
    checked(NoParameters, body.parameters(request))
    jid = jid_of(request)
    fields = checked(TypingFields, await body.fields(request))
    if chat.typing is None:
        raise NotImplementedHere("Nobody can send here (sessions.enabled is false).")
    await chat.conversations.check(user, jid)
    is_room = request.app[keys.hosts].is_room(jid)
    await chat.typing.send(user, jid, fields.state, is_room=is_room)
    return web.Response(status=204)
