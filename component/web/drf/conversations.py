"""Conversations and messages, as APIs show them that know texts and their authors alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import uuid4

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.conversations import MessagesQuery, MessagesView
from component.core.chat.identifiers import DirectChat
from component.core.chat.numbered import NumberedConversation
from component.core.chat.service import Chat
from component.core.errors import ItemNotFound
from component.core.reading.views import ReadableMessage
from component.core.sessions.outgoing import BODY_MAX_BYTES, Text
from component.core.xml.characters import can_be_shown
from component.core.xml.stanza import GROUPCHAT
from component.web.archive.sending_models import message_id
from component.web.drf.errors import detail, not_found
from component.web.drf.fields import number_of
from storage.rows import Direction

#: Conversations of a list that are read at once.
_AT_ONCE = 8

#: A request with this header may be repeated: its message is sent once.
KEY = "Idempotency-Key"

#: The header, in the declaration of an operation.
REPEATABLE = {KEY: "An id of the message: a request that is repeated with it sends nothing."}


async def read_all(
    listed: Iterable[NumberedConversation],
    read: Callable[[NumberedConversation], Awaitable[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Return what `read` returns for conversations, without rooms that have gone meanwhile."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def read_present(item: NumberedConversation) -> dict[str, Any] | None:
        async with limit:
            try:
                return await read(item)
            except ItemNotFound:
                return None

    results = await asyncio.gather(*map(read_present, listed))
    return [result for result in results if result is not None]


async def with_number(user: User, chat: Chat, number: int | None) -> NumberedConversation:
    """Return the conversation with an id. Raises ContractRefusal as if there were none."""
    found = None if number is None else await chat.identifiers.conversation(number)
    return await _own(user, chat, found)


async def with_uri(user: User, chat: Chat, uri: str) -> NumberedConversation:
    """Return the conversation with a URI. Raises ContractRefusal as if there were none."""
    return await _own(user, chat, await chat.identifiers.with_uri(uri))


async def direct(user: User, chat: Chat, peer: str) -> NumberedConversation:
    """Return the direct chat of a user with another one."""
    identifier = await chat.identifiers.of_direct(DirectChat.of(user.jid, peer))
    return NumberedConversation(identifier=identifier, jid=peer, is_room=False)


async def _own(user: User, chat: Chat, found: str | DirectChat | None) -> NumberedConversation:
    if isinstance(found, DirectChat):
        peer = found.other(user.jid)
        if peer is None:
            raise not_found()
        return await direct(user, chat, peer)
    if found is None:
        raise not_found()
    try:
        await chat.conversations.check(user, found)
    except ItemNotFound:
        raise not_found() from None
    return await chat.numbered.room(user, found)


async def newest(
    request: web.Request, user: User, chat: Chat, jid: str, *, paged: bool = True
) -> tuple[list[ReadableMessage], str | None]:
    """Return the newest messages of a conversation, and the id before which there are older ones.

    `limit` and `before` in the query of a read ask for another page, unless it is not `paged`.
    Messages without a text, and retracted ones, are left out.
    """
    query = request.query if paged and request.method == "GET" else {}
    view: MessagesView = await chat.conversations.messages(
        user,
        jid,
        MessagesQuery(before=query.get("before"), limit=number_of(query.get("limit")) or None),
    )
    return [item for item in view.messages if text_of(item)], view.previous


def older_link(request: web.Request, before: str | None) -> dict[str, str]:
    """Return the header that names the page of older messages; it is relative."""
    if before is None:
        return {}
    url = request.rel_url.update_query({"before": before})
    return {"Link": f'<?{url.raw_query_string}>; rel="next"'}


def text_of(item: ReadableMessage) -> str | None:
    """Return the text of a message after its corrections; None: it has none, or is retracted."""
    folded = item.folded
    return item.message.content.body if folded is None else folded.body


def author_of(user: User, item: ReadableMessage) -> str | None:
    """Return the bare JID of the author, None: somebody in a room who is no user of ours."""
    row = item.message.stored
    if row.type == GROUPCHAT:
        return row.author or None
    return user.jid if row.direction is Direction.SENT else row.peer


async def send(request: web.Request, user: User, chat: Chat, jid: str, text: str) -> None:
    """Send a text; with a header Idempotency-Key it is sent once. Raises ContractRefusal."""
    check_text(text)
    key = request.headers.get(KEY)
    if key is not None:
        try:
            message_id(key)
        except ValueError as error:
            raise detail(f"{KEY}: {error}", 400) from None
    id = key or str(uuid4())
    await chat.conversations.send(user, jid, id, Text(text), may_be_repeated=key is not None)


def check_text(text: str) -> None:
    """Raise ContractRefusal for a text that no message may have."""
    if len(text.encode(errors="replace")) > BODY_MAX_BYTES:
        raise detail(f"The message is too long: {BODY_MAX_BYTES} bytes of UTF-8 at most.", 400)
    if not can_be_shown(text):
        raise detail("The message has a character that XML does not allow.", 400)
