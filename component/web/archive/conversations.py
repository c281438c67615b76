"""The conversations of an archive: {prefix}/v1/archives/{owner}/conversations."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.archive.answers import ConversationsPage
from component.web.archive.messages_json import message
from component.web.archive.models import ConversationsParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/conversations", conversations)


@operation(
    "archive.conversations.list", query=ConversationsParameters, answers={200: ConversationsPage}
)
async def conversations(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/conversations: the conversations of the owner."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    parameters = checked(ConversationsParameters, body.parameters(request))
    page = await request.app[keys.reader].conversations(principal, owner, parameters.query())
    conversations = [
        {
            "peer": summary.conversation.peer,
            "count": summary.conversation.messages,
            "unread": summary.unread,
            "last": message(summary.last, xml=parameters.xml),
        }
        for summary in page.conversations
    ]
    return body.page(
        request,
        {"conversations": conversations},
        cursor="before",
        next=None if page.complete else page.conversations[-1].conversation.newest,
    )
