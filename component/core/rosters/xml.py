"""Rosters as RFC 6121 section 2 writes them, `jabber:iq:roster`."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from component.core.rosters.contacts import is_asked
from storage.rows import Contact

NS = "jabber:iq:roster"


def roster_xml(contacts: Iterable[Contact], version: str | None = None) -> str:
    """Return a roster, with its version (section 2.6) where there is one to tell."""
    told = "" if version is None else f" ver={quoteattr(version)}"
    return f"<query xmlns='{NS}'{told}>{''.join(map(_item, contacts))}</query>"


def _item(contact: Contact) -> str:
    said = {"jid": contact.jid, "name": contact.name, "subscription": contact.subscription}
    if is_asked(contact):
        said["ask"] = "subscribe"
    if contact.is_approved:
        said["approved"] = "true"
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in said.items() if value)
    groups = "".join(f"<group>{escape(group)}</group>" for group in contact.groups)
    return f"<item{attributes}>{groups}</item>"
