"""Contacts as REST-XMPP-Client shows them, from the journal of an account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from component.core.events.values import fields_of
from component.core.xml.jids import bare
from storage.rows import EntryKind, JournalEntry

#: The namespace of the ids of contacts, which stay the same for ever.
_NAMESPACE = UUID("4f8c5a1e-3f0b-4a53-9a4b-6f3d0c8f7e21")

#: Kinds of entries that tell of a contact.
_KINDS = frozenset({EntryKind.CONTACT, EntryKind.PRESENCE, EntryKind.REQUEST, EntryKind.DISPLAYED})

_SEES_US = frozenset({"from", "both"})

OFFLINE, ONLINE = "offline", "online"

NONE, REQUESTED, GRANTED = "none", "requested", "granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayContact:
    """A contact, or somebody who asks to see the presence of the user."""

    id: str  #: 32 hexadecimal digits
    jid: str  #: bare
    name: str
    show: str  #: offline, online, away, chat, dnd or xa
    status: str | None
    authorization: str  #: whether the contact sees the user: none, requested or granted
    read_offset: int  #: event id of the last message that the user has seen
    subscription: str
    ask: str | None  #: "subscribe": the user asks to see the contact
    event_id: int  #: of the last change
    groups: tuple[str, ...]
    changed_at: int  #: time of the last change, microseconds


def contact_id(owner: str, jid: str) -> str:
    """Return the id of a contact of an account."""
    return uuid5(_NAMESPACE, f"{owner}\n{jid}").hex


def contacts_of(
    owner: str, entries: Iterable[JournalEntry], seen: Mapping[str, int]
) -> tuple[GatewayContact, ...]:
    """Return the contacts of an account in the order of their JIDs.

    `entries` are those of its journal, also the ones that have ended: a contact that went offline
    has changed. `seen` has by peer the event id of the last seen message.
    """
    by_jid: defaultdict[str, list[JournalEntry]] = defaultdict(list)
    for entry in entries:
        if entry.kind in _KINDS:
            by_jid[bare(entry.subject)].append(entry)
    return tuple(
        _contact(owner, jid, by_jid[jid], seen.get(jid, 0))
        for jid in sorted(by_jid)
        if any(_is_shown(entry) for entry in by_jid[jid])
    )


def _is_shown(entry: JournalEntry) -> bool:
    """Return whether an entry makes a contact: it is on the roster, or asks."""
    return entry.value != "" and entry.kind in (EntryKind.CONTACT, EntryKind.REQUEST)


def _contact(
    owner: str, jid: str, entries: list[JournalEntry], read_offset: int
) -> GatewayContact:
    present = [entry for entry in entries if entry.value]
    item = _first(present, EntryKind.CONTACT)
    subscription = item.get("subscription", "none")
    is_requested = any(entry.kind is EntryKind.REQUEST for entry in present)
    presences = [entry for entry in present if entry.kind is EntryKind.PRESENCE]
    show, status = _presence(presences)
    authorization = REQUESTED if is_requested else NONE
    return GatewayContact(
        id=contact_id(owner, jid),
        jid=jid,
        name=item.get("name", ""),
        show=show,
        status=status,
        authorization=GRANTED if subscription in _SEES_US else authorization,
        read_offset=read_offset,
        subscription=subscription,
        ask="subscribe" if item.get("asked") else None,
        event_id=max(entry.event_id for entry in entries),
        groups=tuple(item.get("groups", ())),
        changed_at=max(entry.at for entry in entries),
    )


def _first(entries: Iterable[JournalEntry], kind: EntryKind) -> dict[str, Any]:
    return next((fields_of(entry) for entry in entries if entry.kind is kind), {})


def _presence(presences: list[JournalEntry]) -> tuple[str, str | None]:
    """Return show and status of the resource with the highest priority, the latest of several."""
    if not presences:
        return OFFLINE, None
    latest = sorted(presences, key=lambda entry: entry.event_id, reverse=True)
    fields = max(map(fields_of, latest), key=lambda fields: fields["priority"])
    return fields["show"] or ONLINE, fields["status"]
