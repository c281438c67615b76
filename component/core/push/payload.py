"""The body of a push: as much of an event as the user has chosen, within a number of bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from component.core.events.reader import ReadableEvent
from component.core.events.values import fields_of
from component.core.push.values import Content, EventFilter
from component.core.rosters.contacts import REMOVE
from component.core.xml.jids import bare
from component.core.xml.stanza import GROUPCHAT
from component.core.xml.times import format_time
from storage.rows import Direction, EntryKind, JournalEntry, Kind, PushKind, PushSubscription

#: The type that replaces events that are not known any more.
EXPIRED = "cursor-expired"

TEST = "test"

#: RFC 8291 section 4: a push service need not accept more than 4,096 bytes. Of these, the header
#: takes 86 (RFC 8188 section 2.1), and padding and tag 17.
WEB_PUSH_MAX_BYTES = 4096 - 86 - 17

_MESSAGE = "message"


def type_of(event: ReadableEvent) -> str:
    """Return the type of an event."""
    entry = event.event.entry
    return _MESSAGE if entry is None else entry.kind.value


def matches(event: ReadableEvent, filters: Collection[str]) -> bool:
    """Return whether a receiver with these filters gets an event."""
    if type_of(event) in filters:
        return True
    if event.message is None or EventFilter.INCOMING not in filters:
        return False
    row = event.message.message.stored
    return row.direction is Direction.RECEIVED and row.kind is Kind.MESSAGE


def body_of(
    event: ReadableEvent, subscription: PushSubscription, *, unread: int, max_bytes: int
) -> bytes:
    """Return the body of a push of an event.

    `unread` is the number of conversations with unread messages. A text that does not fit into
    `max_bytes` is cut.
    """
    fields = {
        "subscription": subscription.id,
        "event_id": event.event.event_id,
        "cursor": event.event.cursor,
        "unread": unread,
    }
    concerned, whole = _concerned(event), _whole(event)
    content = Content(subscription.content)
    type, at = type_of(event), _time_of(event)
    if content is Content.NOTHING:
        return _body(type, at, fields)
    if content is Content.SENDER:
        return _body(type, at, fields | concerned)
    body = _body(type, at, fields | concerned | whole)
    if len(body) > max_bytes:
        fields |= {"truncated": True}
        body = _cut(type, at, fields | concerned, whole, max_bytes)
    return body


def expired_body(subscription: PushSubscription, event_id: int, cursor: str, at: int) -> bytes:
    """Return the body that says that events behind the cursor of a subscription are lost.

    The subscription goes on behind `event_id` and `cursor`.
    """
    fields = {
        "subscription": subscription.id,
        "event_id": event_id,
        "cursor": cursor,
        "after": subscription.cursor,
    }
    return _body(EXPIRED, at, fields)


def test_body(subscription: PushSubscription, at: int) -> bytes:
    """Return the body of a test."""
    return _body(TEST, at, {"subscription": subscription.id})


def max_bytes(kind: PushKind, webhook_bytes: int) -> int:
    """Return the greatest size of a body; `webhook_bytes` is that of a webhook."""
    return WEB_PUSH_MAX_BYTES if kind is PushKind.WEB_PUSH else webhook_bytes


def _body(type: str, at: int, fields: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"type": type, "timestamp": format_time(at), "data": fields})


def _cut(
    type: str,
    at: int,
    fields: dict[str, Any],
    whole: dict[str, Any],
    max_bytes: int,
) -> bytes:
    """Return a body with as much of the text as fits, without the text if nothing else helps."""
    message = whole.get(_MESSAGE) or {}
    text = message.get("body") or ""

    def cut(length: int) -> bytes:
        shorter = {_MESSAGE: {**message, "body": text[:length]}}
        return _body(type, at, fields | whole | shorter)

    # A character has one byte at least.
    longest = bisect_right(
        range(min(len(text), max_bytes)), max_bytes, key=lambda length: len(cut(length))
    )
    return cut(longest - 1) if longest > 1 else _body(type, at, fields)


def _time_of(event: ReadableEvent) -> int:
    if event.message is not None:
        return event.message.message.stored.at
    return event.event.entry.at if event.event.entry is not None else 0


def _concerned(event: ReadableEvent) -> dict[str, Any]:
    """Return whom an event concerns."""
    if event.message is not None:
        row = event.message.message.stored
        return {
            "peer": row.peer,
            "nick": row.nick or None,
            "direction": row.direction.value,
            "kind": row.kind.value,
            "groupchat": row.type == GROUPCHAT,
        }
    entry = event.event.entry
    if entry is None:
        raise AssertionError(event.event.event_id)
    if entry.kind in (EntryKind.CHANGED, EntryKind.FAILED):
        return {"peer": fields_of(entry)["peer"]}
    return {"peer": bare(entry.subject)}


def _whole(event: ReadableEvent) -> dict[str, Any]:
    """Return the content of an event."""
    entry = event.event.entry
    if entry is not None:
        return _entry(entry)
    if event.message is None:
        raise AssertionError(event.event.event_id)
    message = event.message.message
    return {
        "about": event.event.target,
        _MESSAGE: {
            "id": message.stored.id,
            "message_id": message.content.id,
            "from": message.content.sender,
            "to": message.content.recipient,
            "subject": message.content.subject,
            "body": message.content.body,
        },
    }


def _entry(entry: JournalEntry) -> dict[str, Any]:
    fields = fields_of(entry)
    if entry.kind is EntryKind.CHANGED:
        return {"about": entry.subject}
    return {entry.kind.value: {**_NAMES[entry.kind](entry), **fields}}


#: By kind of an entry, the fields that its subject makes.
_NAMES: dict[EntryKind, Callable[[JournalEntry], dict[str, Any]]] = {
    EntryKind.CONTACT: lambda entry: (
        {"jid": entry.subject} if entry.value else {"jid": entry.subject, "subscription": REMOVE}
    ),
    EntryKind.PRESENCE: lambda entry: {"jid": entry.subject, "available": entry.value != ""},
    EntryKind.DISPLAYED: lambda entry: {"peer": entry.subject},
    EntryKind.REQUEST: lambda entry: {"jid": entry.subject, "waits": entry.value != ""},
    EntryKind.FAILED: lambda entry: {"id": entry.subject},
}
