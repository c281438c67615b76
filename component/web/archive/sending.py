"""Sending a message as its user: {prefix}/v1/archives/{owner}/messages."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import User
from component.core.errors import Forbidden, NotImplementedHere
from component.web import keys
from component.web.archive.answers import Message, Unconfirmed
from component.web.archive.messages_json import message
from component.web.archive.models import NoParameters
from component.web.archive.sending_models import SendFields
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, named_owner, routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.post, f"{prefix}{ARCHIVE}/messages", send)


@operation(
    "archive.messages.send",
    body=SendFields,
    answers={200: Message, 201: Message, 202: Unconfirmed},
)
async def send(request: web.Request) -> web.Response:
    """POST {prefix}/v1/archives/{owner}/messages: send a message as the user."""
    owner = named_owner(request)
    checked(NoParameters, body.parameters(request))
    user = User(owner)
    if authenticate.principal(request) != user:
        raise Forbidden("You can send messages in your own name only.")
    sender = request.app.get(keys.sender)
    if sender is None:
        raise NotImplementedHere("Nobody can send here (sessions.enabled is false).")
    fields = checked(SendFields, await body.fields(request))
    outgoing = fields.outgoing(request.app[keys.jids])
    sent = await sender.send(user, outgoing, may_be_repeated=fields.id is not None)
    if sent.item is None:
        return body.json_response({"id": None, "message_id": outgoing.id}, status=202)
    return body.json_response(message(sent.item, xml=True), status=201 if sent.is_new else 200)
