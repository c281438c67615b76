"""Live events in JSON: every key is always there, null if it has no value."""

from __future__ import annotations

import sys
from typing import Any

from component.core.access.principals import User
from component.core.chat.conversations import ConversationView
from component.core.chat.following.live import LiveEvent, LivePage, MemberRoom, conversations_of
from component.core.chat.following.signals import EXPIRE_SECONDS, Typing
from component.core.chat.service import Chat
from component.core.errors import ItemNotFound
from component.core.events.reader import ReadableEvent
from component.web.chat.conversations import conversation_json, message_json
from component.web.events import events_json

#: Keys of an event of the journal that a live event has as well.
_SHARED = (
    *("type", "time", "contact", "presence", "displayed", "request", "failed", "about"),
    *("message", "target"),
)


async def events(user: User, chat: Chat, page: LivePage) -> list[dict[str, Any]]:
    """Return the events of a page; the last one of a conversation has its present state.

    Of a room of which the user is not a member any more only what was said before the removal is
    among them. Raises Overloaded.
    """
    views: dict[int, ConversationView] = {}
    left: dict[str, int] = {}  # with the times of the removals
    for number, jid in conversations_of(page.events).items():
        try:
            views[number] = await chat.conversations.get(user, jid)
        except ItemNotFound:
            left[jid] = 0
    if left and chat.live is not None:
        lost = await chat.live.lost_rooms(user.jid)
        left = {jid: lost.get(jid, 0) for jid in left}
    return [
        _event(user, chat, item, views.get(number))
        for number, item in enumerate(page.events)
        if item.room not in left or _said_at(item) <= left[item.room]
    ]


def _said_at(item: LiveEvent) -> int:
    """Return the time of the message of an event of a room, in microseconds."""
    message = None if item.event is None else item.event.message
    return sys.maxsize if message is None else message.message.stored.at


def _event(
    user: User, chat: Chat, item: LiveEvent, view: ConversationView | None
) -> dict[str, Any]:
    """Return one event; a signal has no cursor."""
    fields: dict[str, Any] = {
        "cursor": None if item.typing is not None else item.place.text(),
        **dict.fromkeys(("jid", *_SHARED, "conversation", "rooms", "typing")),
    }
    if item.event is not None:
        fields |= _of_journal(user, item.event)
        fields["jid"] = item.conversation
        fields["conversation"] = view and conversation_json(user, view, chat)
    elif item.rooms is not None:
        fields |= {"type": "rooms", "rooms": list(map(_room, item.rooms))}
    elif item.expired is not None:
        fields |= {"type": "expired", "jid": item.expired}
    elif item.typing is not None:
        fields |= {"type": "typing", "jid": item.typing.conversation}
        fields["typing"] = _typing(item.typing)
    return fields


def _of_journal(user: User, item: ReadableEvent) -> dict[str, Any]:
    """Return the keys that an event has in the events API too, with messages as chat has them."""
    stored = events_json.event(item, xml=False)
    fields = {key: stored[key] for key in _SHARED}
    fields["message"] = item.message and message_json(user, item.message)
    if item.target is not None:
        fields["target"] = message_json(user, item.target)
        # A message of a room has the id that the room gave it.
        fields["about"] = item.target.message.stored.id
    return fields


def _room(room: MemberRoom) -> dict[str, Any]:
    return {"jid": room.jid, "name": room.name, "affiliation": room.affiliation}


def _typing(typing: Typing) -> dict[str, Any]:
    return {
        "author": typing.author or None,
        "nick": typing.nick or None,
        "state": typing.state.value,
        "seconds": EXPIRE_SECONDS,
    }
