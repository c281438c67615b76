"""Live events in JSON: every key is always there, null if it has no value."""

from __future__ import annotations

from typing import Any

from component.core.chat.live import LiveEvent, LivePage, MemberRoom
from component.core.chat.signals import EXPIRE_SECONDS, Typing
from component.core.events.reader import ConversationState, ReadableEvent
from component.core.events.values import fields_of
from component.web.archive.messages_json import message
from component.web.events import events_json
from storage.rows import EntryKind

#: Keys of an event of the journal that a live event has as well.
_SHARED = (
    *("type", "time", "message", "contact", "presence", "displayed", "request", "failed"),
    *("about", "target"),
)


def event(item: LiveEvent, *, xml: bool) -> dict[str, Any]:
    """Return one event; a signal has no cursor."""
    fields: dict[str, Any] = {
        "cursor": None if item.typing is not None else item.place.text(),
        **dict.fromkeys(("jid", *_SHARED, "conversation", "rooms", "typing")),
    }
    if item.event is not None:
        stored = events_json.event(item.event, xml=xml)
        fields.update({key: stored[key] for key in _SHARED})
        fields["jid"] = item.room or _peer(item.event)
        state = item.event.conversation
        fields["conversation"] = None if state is None else conversation(state, xml=xml)
    elif item.rooms is not None:
        fields.update({"type": "rooms", "rooms": list(map(_room, item.rooms))})
    elif item.expired is not None:
        fields.update({"type": "expired", "jid": item.expired})
    elif item.typing is not None:
        fields.update({"type": "typing", "jid": item.typing.conversation})
        fields["typing"] = _typing(item.typing)
    return fields


def page(live: LivePage, *, xml: bool) -> dict[str, Any]:
    """Return a page of events."""
    return {
        "events": [event(item, xml=xml) for item in live.events],
        "cursor": live.place.text(),
        "complete": live.complete,
    }


def conversation(state: ConversationState, *, xml: bool) -> dict[str, Any]:
    """Return the state of a conversation."""
    return {
        "jid": state.peer,
        "unread": state.unread,
        "last": state.last and message(state.last, xml=xml),
    }


def _peer(item: ReadableEvent) -> str | None:
    """Return the conversation of an event of the journal, None if it has none."""
    if item.message is not None:
        return item.message.message.stored.peer
    entry = item.event.entry
    if entry is None or entry.kind not in (EntryKind.DISPLAYED, EntryKind.CHANGED):
        return None
    return entry.subject if entry.kind is EntryKind.DISPLAYED else fields_of(entry)["peer"]


def _room(room: MemberRoom) -> dict[str, Any]:
    return {"jid": room.jid, "name": room.name, "affiliation": room.affiliation}


def _typing(typing: Typing) -> dict[str, Any]:
    return {
        "author": typing.author or None,
        "nick": typing.nick or None,
        "state": typing.state.value,
        "seconds": EXPIRE_SECONDS,
    }
