"""The values of entries in a journal: contacts and presences in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from component.core.rosters.contacts import GROUPS_MAX, LENGTH_MAX, is_asked
from storage.rows import Contact, JournalEntry

#: Characters of a status, and of all groups of a contact together, that a journal keeps.
STATUS_MAX = 1000
GROUPS_LENGTH_MAX = 2000

#: Values of <show/> (RFC 6121 section 4.7.2.1).
SHOWS = frozenset({"away", "chat", "dnd", "xa"})

#: The value of a contact that was removed, of a presence and of a request that has ended.
ENDED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPresence:
    """A presence of a resource of a contact, as a user received it (RFC 6121 section 4.7)."""

    jid: str  #: full JID; bare: of all resources
    is_available: bool
    show: str = ""
    status: str = ""
    priority: int = 0

    def value(self) -> str:
        """Return the value of its entry."""
        if not self.is_available:
            return ENDED
        return _json(
            {
                "show": self.show if self.show in SHOWS else None,
                "status": self.status[:STATUS_MAX] or None,
                "priority": self.priority,
            }
        )


def request_value(status: str) -> str:
    """Return the value of the entry of a subscription request that waits."""
    return _json({"status": status[:STATUS_MAX] or None})


def refusal_value(*, peer: str, is_message: bool, condition: str, text: str) -> str:
    """Return the value of the entry of a stanza that was refused by or for a peer."""
    return _json(
        {
            "peer": peer,
            "type": "message" if is_message else "subscription",
            "error": condition,
            "message": text[:STATUS_MAX] or None,
        }
    )


def contact_value(contact: Contact) -> str:
    """Return the value of the entry of a contact."""
    groups: list[str] = []
    length = 0
    for group in sorted(contact.groups)[:GROUPS_MAX]:
        length += len(group)
        if length <= GROUPS_LENGTH_MAX:
            groups.append(group)
    return _json(
        {
            "name": contact.name[:LENGTH_MAX],
            "subscription": contact.subscription,
            "asked": is_asked(contact),
            "groups": groups,
        }
    )


def fields_of(entry: JournalEntry) -> dict[str, Any]:
    """Return the value of an entry as a dictionary, an empty one if it has ended."""
    return dict(json.loads(entry.value)) if entry.value else {}


def _json(fields: Mapping[str, object]) -> str:
    # Equal states have equal texts, so that a repeated one is no event.
    return json.dumps(fields, separators=(",", ":"), sort_keys=True)
