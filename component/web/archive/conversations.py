"""The conversations of an archive: {prefix}/v1/archives/{owner}/conversations."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.web.archive.messages_json import message
from component.web.archive.models import ConversationsParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, at, owner_of


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return at(web.get, f"{prefix}{ARCHIVE}/conversations", conversations)


async def conversations(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/conversations: whom there are messages with."""
    caller, owner = authenticate.require(request, Role.READER), await owner_of(request)
    asked = checked(ConversationsParameters, body.parameters(request))
    found, complete = await request.app[keys.conversations].page(caller.name, owner, asked.query())
    listed = [
        {
            "peer": one.conversation.peer,
            "count": one.conversation.messages,
            "unread": one.unread,
            "last": message(one.last, xml=asked.xml),
        }
        for one in found
    ]
    return body.page(
        request,
        {"conversations": listed},
        place="before",
        next=None if complete else found[-1].conversation.newest,
    )
