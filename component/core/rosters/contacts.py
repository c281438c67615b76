"""Contacts of rosters (RFC 6121 section 2.1.2): changes of them, and which are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from component.core.errors import BadRequest
from component.core.xml.characters import can_be_shown
from storage.rows import Contact

SUBSCRIPTIONS = ("none", "to", "from", "both")

#: The subscription that removes a contact from the roster (section 2.5).
REMOVE = "remove"

#: Maximum number of characters in the name of a contact or a group, which the RFC leaves to
#: servers (section 2.1.2).
LENGTH_MAX = 1023

#: Maximum number of groups of one contact.
GROUPS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a contact; a part that is None does not change."""

    jid: str  #: prepared
    name: str | None = None
    subscription: str | None = None  #: one of SUBSCRIPTIONS, or REMOVE
    ask: str | None = None  #: as `Contact.ask` has it
    ask_message: str | None = None
    groups: tuple[str, ...] | None = None

    def check(self) -> None:
        """Raise BadRequest if a roster cannot have such a contact."""
        if self.subscription not in (None, REMOVE, *SUBSCRIPTIONS):
            names = ", ".join([*SUBSCRIPTIONS, REMOVE])
            raise BadRequest(f"subscription: expected one of {names}")
        groups = self.groups or ()
        if "" in groups:
            raise BadRequest("groups: a group needs a name")
        if len(groups) > GROUPS_MAX:
            raise BadRequest(f"groups: a contact may be in {GROUPS_MAX} groups at most")
        texts = (self.name or "", self.ask_message or "", *groups)
        if any(len(text) > LENGTH_MAX for text in texts):
            raise BadRequest(f"a name or a group may have {LENGTH_MAX} characters at most")
        if not all(map(can_be_shown, texts)):
            raise BadRequest("a name or a group has a character that XML does not allow")

    def applied(self, before: Contact | None) -> Contact:
        """Return the contact after the change; `before` is the present contact, if any."""
        parts = {
            "name": self.name,
            "subscription": self.subscription,
            "ask": self.ask,
            "ask_message": self.ask_message,
            "groups": None if self.groups is None else tuple(dict.fromkeys(self.groups)),
        }
        changed = {name: value for name, value in parts.items() if value is not None}
        return replace(before or Contact(jid=self.jid), **changed)  # type: ignore[arg-type]


def is_shown(contact: Contact) -> bool:
    """Return whether a roster shows a contact, which needs more than its own request (3.1.3)."""
    return contact.subscription != "none" or contact.ask != "in"


def is_asked(contact: Contact) -> bool:
    """Return whether the owner's subscription request is pending (section 2.1.2.2)."""
    return contact.ask in ("subscribe", "both")


def version_of(contacts: Iterable[Contact]) -> str:
    """Return the version of a roster (section 2.6): a digest of all shown contacts."""
    digest = sha256()
    for contact in sorted(contacts, key=lambda contact: contact.jid):
        flags = (is_asked(contact), contact.is_approved)
        fields = (contact.jid, contact.name, contact.subscription, *flags)
        digest.update(repr((*fields, sorted(contact.groups))).encode())
    return digest.hexdigest()[:32]
