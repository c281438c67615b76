"""Contacts (RFC 6121 section 2.1.2): what may be changed of them, and which of them are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from component.core.errors import BadRequest
from storage.rows import Contact

SUBSCRIPTIONS = ("none", "to", "from", "both")

#: As a subscription, it takes the contact off the roster (section 2.5).
REMOVE = "remove"

#: Characters in a name or the name of a group; the RFC leaves it to servers (section 2.1.2).
LENGTH_MAX = 1023

#: Groups that one contact may be in.
GROUPS_MAX = 100

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a contact; None leaves that part of it as it is."""

    jid: str  #: as contacts have it, prepared
    name: str | None = None
    subscription: str | None = None  #: one of SUBSCRIPTIONS, or REMOVE
    ask: str | None = None  #: as `Contact.ask` has it
    ask_message: str | None = None
    groups: tuple[str, ...] | None = None

    def check(self) -> None:
        """Raise BadRequest unless a roster can hold it."""
        if self.subscription not in (None, REMOVE, *SUBSCRIPTIONS):
            raise BadRequest(f"subscription: one of {', '.join(SUBSCRIPTIONS)} or {REMOVE}")
        groups = self.groups or ()
        if "" in groups:
            raise BadRequest("groups: a group needs a name")
        if len(groups) > GROUPS_MAX:
            raise BadRequest(f"groups: a contact may be in {GROUPS_MAX}")
        texts = (self.name or "", self.ask_message or "", *groups)
        if any(len(text) > LENGTH_MAX for text in texts):
            raise BadRequest(f"a name or a group may have {LENGTH_MAX} characters")
        if not all(map(can_be_shown, texts)):
            raise BadRequest("a name or a group has a character that XML does not")

    def applied(self, before: Contact | None) -> Contact:
        """Return the contact as it is then; `before` is None where there is none yet."""
        parts = {
            "name": self.name,
            "subscription": self.subscription,
            "ask": self.ask,
            "ask_message": self.ask_message,
            "groups": None if self.groups is None else tuple(dict.fromkeys(self.groups)),
        }
        known = {name: value for name, value in parts.items() if value is not None}
        return replace(before or Contact(jid=self.jid), **known)  # type: ignore[arg-type]


def can_be_shown(text: str) -> bool:
    """Whether XML has all characters of a text: with another one a stream comes to its end."""
    return _NO_XML.search(text) is None


def is_shown(contact: Contact) -> bool:
    """Whether it is on the roster: who has only asked to be is not (section 3.1.3)."""
    return contact.subscription != "none" or contact.ask != "in"


def is_asked(contact: Contact) -> bool:
    """Whether it was asked for its presence and has not answered (section 2.1.2.2)."""
    return contact.ask in ("subscribe", "both")


def version_of(contacts: Iterable[Contact]) -> str:
    """Return what is the same for rosters that show the same, and for no others (section 2.6)."""
    digest = sha256()
    for one in sorted(contacts, key=lambda contact: contact.jid):
        shown = (one.jid, one.name, one.subscription, is_asked(one), one.is_approved)
        digest.update(repr((*shown, sorted(one.groups))).encode())
    return digest.hexdigest()[:32]
