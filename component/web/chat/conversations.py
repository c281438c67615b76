"""Conversations and their messages: {prefix}/v1/chat/conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.conversations import ConversationView
from component.core.chat.following.presence import Availability
from component.core.chat.service import Chat
from component.core.reading.views import ReadableMessage
from component.core.xml.stanza import GROUPCHAT
from component.web.archive.answers import Unconfirmed
from component.web.archive.messages_json import gap
from component.web.archive.messages_json import message as archived_json
from component.web.archive.models import NoParameters
from component.web.archive.sending_models import MessageFields
from component.web.chat.answers import (
    ChatMessage,
    ChatMessages,
    ConversationList,
    ListedConversation,
)
from component.web.chat.models import (
    ConversationListParameters,
    ConversationMessagesParameters,
    DisplayedFields,
)
from component.web.chat.profiles import known_avatar
from component.web.chat.requests import chat_of, jid_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at
from storage.rows import Direction

_PATH = "/conversations"
_ONE = f"{_PATH}/{{jid:[^/]+}}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}{_PATH}", listed),
        *routes_at(web.get, f"{prefix}{_ONE}", shown),
        *routes_at(web.get, f"{prefix}{_ONE}/messages", messages),
        *routes_at(web.post, f"{prefix}{_ONE}/messages", send),
        *routes_at(web.put, f"{prefix}{_ONE}/displayed", mark),
    ]


@operation(
    "chat.conversations.list", query=ConversationListParameters, answers={200: ConversationList}
)
async def listed(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/conversations: the conversations of the user, the newest first."""
    user, chat = await chat_of(request)
    parameters = checked(ConversationListParameters, body.parameters(request))
    page = await chat.conversations.page(user, parameters.before, parameters.limit)
    contacts = await _contacts(user, chat)
    conversations = [listed_json(user, view, chat, contacts) for view in page.conversations]
    return body.page(request, {"conversations": conversations}, cursor="before", next=page.next)


@operation("chat.conversations.read", answers={200: ListedConversation})
async def shown(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/conversations/{jid}: one conversation."""
    user, chat = await chat_of(request)
    checked(NoParameters, body.parameters(request))
    view = await chat.conversations.get(user, jid_of(request))
    return body.json_response(listed_json(user, view, chat, await _contacts(user, chat)))


@operation("chat.messages.list", query=ConversationMessagesParameters, answers={200: ChatMessages})
async def messages(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/conversations/{jid}/messages: messages in the order of arrival."""
    user, chat = await chat_of(request)
    parameters = checked(ConversationMessagesParameters, body.parameters(request))
    page = await chat.conversations.messages(user, jid_of(request), parameters.query())
    return body.json_response(
        {
            "messages": [message_json(user, item) for item in page.messages],
            "complete": page.complete,
            "previous": page.previous,
            "next": page.next,
            "gaps": [gap(spanned) for spanned in page.gaps],
        }
    )


@operation(
    "chat.messages.send",
    body=MessageFields,
    answers={200: ChatMessage, 201: ChatMessage, 202: Unconfirmed},
)
async def send(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/conversations/{jid}/messages: send a message."""
    user, chat = await chat_of(request)
    checked(NoParameters, body.parameters(request))
    fields = checked(MessageFields, await body.fields(request))
    id = fields.id or str(uuid4())
    sent = await chat.conversations.send(
        user, jid_of(request), id, fields.payload(), may_be_repeated=fields.id is not None
    )
    if chat.typing is not None:
        chat.typing.forget(user, jid_of(request))
    if sent.item is None:
        return body.json_response({"id": None, "message_id": id}, status=202)
    return body.json_response(message_json(user, sent.item), status=201 if sent.is_new else 200)


@operation("chat.conversations.mark", body=DisplayedFields, answers={200: ListedConversation})
async def mark(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/chat/conversations/{jid}/displayed: move the read mark forward."""
    user, chat = await chat_of(request)
    checked(NoParameters, body.parameters(request))
    fields, jid = checked(DisplayedFields, await body.fields(request)), jid_of(request)
    await chat.conversations.mark(user, jid, fields.id)
    view = await chat.conversations.get(user, jid)
    return body.json_response(listed_json(user, view, chat, await _contacts(user, chat)))


async def _contacts(user: User, chat: Chat) -> Mapping[str, Availability]:
    """Return the contacts of a user that are on line."""
    return {} if chat.presence is None else await chat.presence.of_contacts(user.jid)


def listed_json(
    user: User, view: ConversationView, chat: Chat, contacts: Mapping[str, Availability]
) -> dict[str, Any]:
    """Return a conversation of a user with the presence of the other side."""
    presence = contacts.get(view.jid)
    return {
        **conversation_json(user, view, chat),
        "presence": presence and {"show": presence.show, "status": presence.status},
    }


def conversation_json(user: User, view: ConversationView, chat: Chat) -> dict[str, Any]:
    """Return a conversation of a user; `avatar` is known of users whose profile was read."""
    return {
        "jid": view.jid,
        "type": "room" if view.is_room else "direct",
        "name": view.name,
        "avatar": None if view.is_room else known_avatar(user, chat, view.jid),
        "unread": view.unread,
        "displayed": view.displayed,
        "last": None if view.last is None else message_json(user, view.last),
    }


def message_json(user: User, item: ReadableMessage) -> dict[str, Any]:
    """Return a message as the archive API has it without XML, and its author.

    `author` is the bare JID of the author, None in a room if that is not one of our users.
    """
    row = item.message.stored
    if row.type == GROUPCHAT:
        author: str | None = row.author or None
    else:
        author = user.jid if row.direction is Direction.SENT else row.peer
    return {**archived_json(item, xml=False), "author": author}
