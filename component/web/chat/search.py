"""Search in all conversations of a user: {prefix}/v1/chat/messages."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.search import ChatHit
from component.core.xml.times import format_if_known
from component.web.chat.answers import ChatHits
from component.web.chat.conversations import message_json
from component.web.chat.models import SearchParameters
from component.web.chat.requests import chat_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}/messages", search)


@operation("chat.messages.search", query=SearchParameters, answers={200: ChatHits})
async def search(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/messages: search in all conversations of the user."""
    user, chat = await chat_of(request)
    parameters = checked(SearchParameters, body.parameters(request))
    page = await chat.search.page(
        user, parameters.phrases(), before=parameters.before, limit=parameters.limit
    )
    return body.json_response(
        {
            "hits": [_hit(user, hit) for hit in page.hits],
            "complete": page.next is None,
            "next": format_if_known(page.next),
        }
    )


def _hit(user: User, found: ChatHit) -> dict[str, Any]:
    return {
        "jid": found.jid,
        "type": "room" if found.is_room else "direct",
        "name": found.name,
        "message": message_json(user, found.hit.message),
        "before": [message_json(user, item) for item in found.hit.before],
        "after": [message_json(user, item) for item in found.hit.after],
    }
