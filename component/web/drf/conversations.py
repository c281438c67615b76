"""Conversations and messages, as APIs show them that know texts and their authors alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.conversations import ConversationView, MessagesQuery, MessagesView
from component.core.chat.identifiers import DirectChat
from component.core.chat.service import Chat
from component.core.errors import ItemNotFound
from component.core.reading.views import ReadableMessage
from component.core.sessions.outgoing import BODY_MAX_BYTES, Text
from component.core.xml.characters import can_be_shown
from component.core.xml.stanza import GROUPCHAT
from component.web.archive.sending_models import message_id
from component.web.drf.errors import detail, not_found
from component.web.drf.fields import number_of
from storage.rows import Direction, Identifier, Membership

#: Pages of conversations that a list reads, and conversations on each.
_PAGES_MAX = 20
_PAGE = 250

#: Conversations of a list that are read at once.
_AT_ONCE = 8

#: A request with this header may be repeated: its message is sent once.
KEY = "Idempotency-Key"

#: The header, in the declaration of an operation.
REPEATABLE = {KEY: "An id of the message: a request that is repeated with it sends nothing."}


@dataclass(frozen=True, slots=True)
class Named:
    """A conversation of a user, with its identifier."""

    identifier: Identifier
    jid: str  #: of the peer or the room
    is_room: bool
    name: str = ""  #: of the room; "" of a direct chat
    created_at: int = 0  #: of the room, microseconds; 0: unknown, or a direct chat
    last: ReadableMessage | None = None  #: in a list, the last message; None: there is none


async def all_of(user: User, chat: Chat) -> list[Named]:
    """Return the conversations of a user that have messages, and all rooms, by their ids.

    There are some thousands at most.
    """
    views: list[ConversationView] = []
    cursor: str | None = None
    for _ in range(_PAGES_MAX):
        page = await chat.conversations.page(user, cursor, _PAGE)
        views += page.conversations
        cursor = page.next
        if cursor is None:
            break
    rooms = [view.jid for view in views if view.is_room]
    peers = [view.jid for view in views if not view.is_room]
    identifiers = {
        **await chat.identifiers.of_rooms(rooms),
        **await chat.identifiers.of_chats_with(user.jid, peers),
    }
    memberships = await _memberships(user, chat)
    named = [
        Named(
            identifiers[view.jid],
            view.jid,
            view.is_room,
            name=view.name if view.is_room else "",
            created_at=memberships[view.jid].created_at if view.jid in memberships else 0,
            last=view.last,
        )
        for view in views
    ]
    return sorted(named, key=lambda item: item.identifier.number)


async def read_all(
    named: Iterable[Named], read: Callable[[Named], Awaitable[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return what `read` returns for conversations, without rooms that have gone meanwhile."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def read_present(item: Named) -> dict[str, Any] | None:
        async with limit:
            try:
                return await read(item)
            except ItemNotFound:
                return None

    results = await asyncio.gather(*map(read_present, named))
    return [result for result in results if result is not None]


async def with_number(user: User, chat: Chat, number: int | None) -> Named:
    """Return the conversation with an id. Raises ContractRefusal as if there were none."""
    found = None if number is None else await chat.identifiers.conversation(number)
    return await _own(user, chat, found)


async def with_uri(user: User, chat: Chat, uri: str) -> Named:
    """Return the conversation with a URI. Raises ContractRefusal as if there were none."""
    return await _own(user, chat, await chat.identifiers.with_uri(uri))


async def direct(user: User, chat: Chat, peer: str) -> Named:
    """Return the direct chat of a user with another one."""
    return Named(await chat.identifiers.of_direct(DirectChat.of(user.jid, peer)), peer, False)


async def room(user: User, chat: Chat, jid: str) -> Named:
    """Return a room, of which the user is a member."""
    membership = (await _memberships(user, chat)).get(jid)
    return Named(
        (await chat.identifiers.of_rooms([jid]))[jid],
        jid,
        True,
        name="" if membership is None else membership.name,
        created_at=0 if membership is None else membership.created_at,
    )


async def _memberships(user: User, chat: Chat) -> Mapping[str, Membership]:
    """Return the memberships of a user by room."""
    rows = () if chat.rooms is None else await chat.rooms.memberships(user)
    return {row.room: row for row in rows}


async def _own(user: User, chat: Chat, found: str | DirectChat | None) -> Named:
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
    return await room(user, chat, found)


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
    return item.message.payloads.body if folded is None else folded.body


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
