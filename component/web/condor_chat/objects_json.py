"""Users, rooms and messages, as condor_chat's API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.numbered import NumberedConversation
from component.core.chat.service import Chat
from component.core.reading.views import ReadableMessage
from component.core.xml.jids import local
from component.web.condor_chat.pictures import picture_path
from component.web.condor_chat.requests import host, settings
from component.web.drf.authenticate import name_of_jid
from component.web.drf.conversations import author_of, newest, text_of
from component.web.drf.pages import absolute
from storage.rows import Identifier, Profile

_MICROSECONDS = 1_000_000


def user_json(
    request: web.Request, viewer: User, profile: Profile, number: int, viewer_number: int
) -> dict[str, Any]:
    """Return a user; nobody else sees the e-mail address of a user."""
    return {
        "id": number,
        "full_name": profile.name or local(profile.jid),
        "username": name_of_jid(profile.jid, host(request)),
        "email": profile.email if profile.jid == viewer.jid else "",
        "avatar_url": absolute(request, picture_path(request, viewer_number, number)),
    }


async def room_json(
    request: web.Request, user: User, chat: Chat, room: NumberedConversation, *, paged: bool = True
) -> tuple[dict[str, Any], str | None]:
    """Return a room with its newest messages, and the id before which there are older ones.

    The query of a read asks for another page of them, unless it is not `paged`.
    """
    messages, previous = await newest(request, user, chat, room.jid, paged=paged)
    authors = await authors_of(user, chat, messages)
    title, created_at = await _described(request, user, chat, room)
    return {
        "id": room.identifier.number,
        "title": title,
        "timestamp": None if created_at is None else time_json(request, created_at),
        "messages": [message_json(request, user, item, authors) for item in messages],
    }, previous


def message_json(
    request: web.Request,
    user: User,
    item: ReadableMessage,
    authors: Mapping[str, Identifier],
) -> dict[str, Any]:
    """Return a message; its `sender` is None if the author is no user of ours."""
    author = author_of(user, item)
    return {
        "sender": None if author is None else authors[author].number,
        "timestamp": time_json(request, item.message.stored.at),
        "content": text_of(item),
    }


async def authors_of(
    user: User, chat: Chat, messages: Sequence[ReadableMessage]
) -> Mapping[str, Identifier]:
    """Return the identifiers of the authors of messages, by bare JID."""
    authors = {author_of(user, item) for item in messages} - {None}
    return await chat.identifiers.of_users([author for author in authors if author is not None])


def time_json(request: web.Request, at: int) -> str:
    """Return a time, microseconds since the epoch, with six digits and the configured offset."""
    zone = ZoneInfo(settings(request).time_zone)
    seconds, micros = divmod(at, _MICROSECONDS)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros).astimezone(zone)
    text = moment.isoformat(timespec="microseconds")
    # As Django REST framework writes UTC.
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


async def _described(
    request: web.Request, user: User, chat: Chat, room: NumberedConversation
) -> tuple[str, int | None]:
    """Return the title of a room, and when it began, None if that is not known."""
    if room.is_room:
        title = room.name or local(room.jid)
    else:
        names = [name_of_jid(jid, host(request)) for jid in (user.jid, room.jid)]
        title = " - ".join(names)
    if room.created_at:
        return title, room.created_at
    first = await chat.conversations.first(user, room.jid)
    return title, None if first is None else first.message.stored.at
