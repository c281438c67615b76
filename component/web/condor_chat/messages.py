"""Messages of direct chats: {condor_chat}/messages/.

In the contract these are the messages of everybody. Here a user sees those of the own direct
chats, and sends, corrects (XEP-0308) and retracts (XEP-0424) the own ones.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.service import Chat
from component.core.errors import ItemNotFound
from component.core.reading.views import ReadableMessage
from component.core.sessions.outgoing import Correction, Payload, Retraction, Text
from component.web.archive.models import ID_MAX
from component.web.chat.requests import chat_of
from component.web.condor_chat.answers import (
    FormMessagesPage,
    FormMessageWithId,
    MessageBody,
    NewMessageBody,
)
from component.web.condor_chat.objects_json import authors_of, message_json
from component.web.condor_chat.requests import user_with_number
from component.web.drf.answers import FormPageParameters
from component.web.drf.conversations import author_of, check_text, text_of
from component.web.drf.errors import forbidden, not_found
from component.web.drf.fields import Fields, fields_of, number_of
from component.web.drf.pages import page, place_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import operation

_PATH = "/messages/"
_MESSAGE = f"{_PATH}{{message_id:[^/]+}}/"

_FORGED = "You send messages as yourself alone."


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path, message = f"{prefix}{_PATH}", f"{prefix}{_MESSAGE}"
    return [
        *slashed(web.get, path, listed),
        *slashed(web.post, path, create),
        *slashed(web.get, message, shown),
        *slashed(web.put, message, change),
        *slashed(web.patch, message, change),
        *slashed(web.delete, message, remove),
    ]


@operation("condor_chat.messages.list", query=FormPageParameters, answers={200: FormMessagesPage})
async def listed(request: web.Request) -> web.Response:
    """GET {condor_chat}/messages/: a page of the messages of the direct chats of the user."""
    user, chat = await chat_of(request)
    place = place_of(request)
    read = await chat.conversations.direct_messages(user, skipped=place.offset, limit=place.limit)
    authors = await authors_of(user, chat, read.items)
    results = [
        {"id": item.message.stored.id, **message_json(request, user, item, authors)}
        for item in read.items
        if text_of(item) is not None
    ]
    return page(request, place, read.count or 0, results)


@operation(
    "condor_chat.messages.create",
    body=NewMessageBody,
    takes_forms=True,
    answers={201: FormMessageWithId, 202: None},
)
async def create(request: web.Request) -> web.Response:
    """POST {condor_chat}/messages/: send a message to `user_id`, without it a note to oneself."""
    user, chat = await chat_of(request)
    fields = await fields_of(request)
    content = await _content(user, chat, fields, has_sender=True)
    recipient = user.jid
    if "user_id" in fields:
        recipient = await user_with_number(user, chat, number_of(fields.get("user_id")))
    sent = await _send(user, chat, recipient, Text(content))
    return await _answer(request, user, chat, sent, 201)


@operation("condor_chat.messages.read", answers={200: FormMessageWithId})
async def shown(request: web.Request) -> web.Response:
    """GET {condor_chat}/messages/{message_id}/: one message."""
    user, chat = await chat_of(request)
    return await _answer(request, user, chat, await _message(request, user, chat), 200)


@operation(
    "condor_chat.messages.change",
    body=MessageBody,
    takes_forms=True,
    answers={200: FormMessageWithId},
)
async def change(request: web.Request) -> web.Response:
    """PUT and PATCH {condor_chat}/messages/{message_id}/: correct a message of the user."""
    user, chat = await chat_of(request)
    item = await _own(request, user, chat)
    content = await _content(
        user, chat, await fields_of(request), has_sender=request.method == "PUT"
    )
    row = item.message.stored
    await _send(user, chat, row.peer, Correction(row.id, content))
    return await _answer(request, user, chat, await _message(request, user, chat), 200)


@operation("condor_chat.messages.remove", answers={204: None})
async def remove(request: web.Request) -> web.Response:
    """DELETE {condor_chat}/messages/{message_id}/: retract a message of the user."""
    user, chat = await chat_of(request)
    row = (await _own(request, user, chat)).message.stored
    await _send(user, chat, row.peer, Retraction(row.id))
    return web.Response(status=204)


async def _send(user: User, chat: Chat, jid: str, payload: Payload) -> ReadableMessage | None:
    sent = await chat.conversations.send(user, jid, str(uuid4()), payload, may_be_repeated=False)
    return sent.item


async def _message(request: web.Request, user: User, chat: Chat) -> ReadableMessage:
    id = request.match_info["message_id"]
    if len(id) > ID_MAX:
        raise not_found()
    try:
        item = await chat.conversations.direct_message(user, id)
    except ItemNotFound:
        raise not_found() from None
    if text_of(item) is None:
        raise not_found()
    return item


async def _own(request: web.Request, user: User, chat: Chat) -> ReadableMessage:
    """Return the message in the path. Raises ContractRefusal if another user has sent it."""
    item = await _message(request, user, chat)
    if author_of(user, item) != user.jid:
        raise forbidden()
    return item


async def _content(user: User, chat: Chat, fields: Fields, *, has_sender: bool) -> str:
    """Return the text of a message. Raises ContractRefusal if its sender is another user."""
    content = fields.text("content", strip=False)
    if has_sender:
        fields.require("sender")
    if "sender" in fields:
        own = (await chat.identifiers.of_users([user.jid]))[user.jid].number
        if number_of(fields.get("sender")) != own:
            fields.add_error("sender", _FORGED)
    fields.check()
    check_text(content)
    return content


async def _answer(
    request: web.Request, user: User, chat: Chat, item: ReadableMessage | None, status: int
) -> web.Response:
    if item is None:
        # The server has taken it, and it is not in the archive yet.
        return web.Response(status=202)
    authors = await authors_of(user, chat, [item])
    fields: dict[str, Any] = {
        "id": item.message.stored.id,
        **message_json(request, user, item, authors),
    }
    return body.json_response(fields, status=status)
