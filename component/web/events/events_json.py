"""Events in JSON: every key is always there, null if it has no value."""

from __future__ import annotations

from typing import Any

from component.core.events.reader import ConversationState, ReadableEvent, Snapshot
from component.core.events.values import fields_of
from component.core.rosters.contacts import REMOVE
from component.core.xml.times import format_time
from component.web.archive.messages_json import message
from storage.rows import EntryKind, JournalEntry

_MESSAGE = "message"

#: Keys of which an event has one.
_KEYS = (_MESSAGE, "contact", "presence", "displayed", "request", "failed")

_REMOVED = {"name": "", "subscription": REMOVE, "asked": False, "groups": []}

_UNAVAILABLE = {"show": None, "status": None, "priority": 0}


def event(item: ReadableEvent, *, xml: bool) -> dict[str, Any]:
    """Return one event."""
    stored, entry = item.event, item.event.entry
    fields: dict[str, Any] = {
        "event_id": stored.event_id,
        "cursor": stored.cursor,
        "type": _MESSAGE if entry is None else entry.kind.value,
        "time": None,
        **dict.fromkeys(_KEYS),
        "about": stored.target,
        "target": item.target and message(item.target, xml=xml),
        "conversation": item.conversation and conversation(item.conversation, xml=xml),
    }
    if item.message is not None:
        fields["time"] = format_time(item.message.message.stored.at)
        fields[_MESSAGE] = message(item.message, xml=xml)
    elif entry is not None:
        fields["time"] = format_time(entry.at)
        fields.update(_ENTRIES[entry.kind](entry))
    return fields


def conversation(state: ConversationState, *, xml: bool) -> dict[str, Any]:
    """Return the state of a conversation."""
    return {
        "peer": state.peer,
        "unread": state.unread,
        "last": state.last and message(state.last, xml=xml),
    }


def snapshot(owner: str, state: Snapshot, *, xml: bool) -> dict[str, Any]:
    """Return a snapshot."""
    contacts = state.contacts
    return {
        "owner": owner,
        "event_id": state.event_id,
        "cursor": state.cursor,
        "contacts": None if contacts is None else [_contact(entry) for entry in contacts],
        "presences": [_presence(entry) for entry in state.presences],
        "requests": [_request(entry) for entry in state.requests],
        "conversations": [conversation(item, xml=xml) for item in state.conversations],
        "next": state.next,
    }


def _contact(entry: JournalEntry) -> dict[str, Any]:
    return {"jid": entry.subject, **(fields_of(entry) or _REMOVED)}


def _presence(entry: JournalEntry) -> dict[str, Any]:
    return {
        "jid": entry.subject,
        "available": entry.value != "",
        **(fields_of(entry) or _UNAVAILABLE),
        "since": format_time(entry.at),
    }


def _request(entry: JournalEntry) -> dict[str, Any]:
    return {
        "jid": entry.subject,
        "waits": entry.value != "",
        "status": fields_of(entry).get("status"),
        "since": format_time(entry.at),
    }


#: The keys of an event of each kind of entry.
_ENTRIES = {
    EntryKind.CONTACT: lambda entry: {"contact": _contact(entry)},
    EntryKind.PRESENCE: lambda entry: {"presence": _presence(entry)},
    EntryKind.DISPLAYED: lambda entry: {"displayed": {"peer": entry.subject, **fields_of(entry)}},
    EntryKind.CHANGED: lambda entry: {"about": entry.subject},
    EntryKind.REQUEST: lambda entry: {"request": _request(entry)},
    EntryKind.FAILED: lambda entry: {"failed": {"id": entry.subject, **fields_of(entry)}},
}
