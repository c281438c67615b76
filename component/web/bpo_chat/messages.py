"""Messages of a chat: {bpo_chat}/chats/{uri}/messages/."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.numbered import NumberedConversation
from component.core.chat.service import Chat
from component.web.bpo_chat.answers import BpoMessageBody, BpoMessages, BpoSent
from component.web.bpo_chat.chats import CHAT
from component.web.bpo_chat.requests import settings, users_json
from component.web.chat.requests import chat_of
from component.web.drf import conversations
from component.web.drf.answers import OlderParameters
from component.web.drf.conversations import REPEATABLE, author_of, older_link, send, text_of
from component.web.drf.fields import json_fields_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import operation

#: The author of a message in a room, if it is no user of ours.
_STRANGER = {"id": None, "username": "", "email": ""}


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path = f"{prefix}{CHAT}messages/"
    return [*slashed(web.get, path, listed), *slashed(web.post, path, create)]


@operation("bpo_chat.messages.list", query=OlderParameters, answers={200: BpoMessages})
async def listed(request: web.Request) -> web.Response:
    """GET {bpo_chat}/chats/{uri}/messages/: the newest messages of a chat."""
    user, chat = await chat_of(request)
    named = await conversations.with_uri(user, chat, request.match_info["uri"])
    messages, previous = await _messages(request, user, chat, named)
    fields = {
        "id": named.identifier.number,
        "uri": named.identifier.uri,
        "messages": messages,
    }
    return body.json_response(fields, headers=older_link(request, previous))


@operation(
    "bpo_chat.messages.create", body=BpoMessageBody, headers=REPEATABLE, answers={200: BpoSent}
)
async def create(request: web.Request) -> web.Response:
    """POST {bpo_chat}/chats/{uri}/messages/: send a message to a chat."""
    user, chat = await chat_of(request)
    named = await conversations.with_uri(user, chat, request.match_info["uri"])
    fields = await json_fields_of(request)
    text = fields.text("message", maximum=settings(request).message_max, strip=False)
    fields.check()
    await send(request, user, chat, named.jid, text)
    messages, _ = await _messages(request, user, chat, named)
    return body.json_response(
        {"status": "SUCCESS", "uri": named.identifier.uri, "messages": messages}
    )


async def _messages(
    request: web.Request, user: User, chat: Chat, named: NumberedConversation
) -> tuple[list[dict[str, Any]], str | None]:
    """Return messages of a chat, and the id before which there are older ones."""
    items, previous = await conversations.newest(request, user, chat, named.jid)
    authors = [author_of(user, item) for item in items]
    jids = {author for author in authors if author is not None}
    users = await users_json(request, user, chat, jids)
    messages = [
        {"user": _STRANGER if author is None else users[author], "message": text_of(item)}
        for author, item in zip(authors, items, strict=True)
    ]
    return messages, previous
