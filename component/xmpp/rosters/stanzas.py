"""Rosters in stanzas of servers (RFC 6121 section 2): their answers, and what they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement

from component.core.rosters.contacts import REMOVE, SUBSCRIPTIONS
from component.core.rosters.xml import NS
from component.xmpp.connection.addresses import Addresses
from storage.rows import Contact

QUERY, ITEM, GROUP = f"{{{NS}}}query", f"{{{NS}}}item", f"{{{NS}}}group"


def contacts_in(iq: Element, addresses: Addresses) -> Iterator[Contact]:
    """Yield the contacts in an answer of a server."""
    for item in iq.iterfind(f"{QUERY}/{ITEM}"):
        subscription = item.get("subscription", "none")
        yield Contact(
            jid=addresses.accept(item.get("jid", "")),
            name=item.get("name", ""),
            subscription=subscription if subscription in SUBSCRIPTIONS else "none",
            ask="subscribe" if item.get("ask") == "subscribe" else "",
            is_approved=item.get("approved") in ("true", "1"),
            groups=tuple(sorted(group.text or "" for group in item.iterfind(GROUP))),
        )


def setting(contact: Contact) -> Element:
    """Return what asks a server to keep a contact so. States of subscriptions it does not take."""
    query = Element(QUERY)
    item = SubElement(query, ITEM, {"jid": contact.jid})
    if contact.name:
        item.set("name", contact.name)
    for group in contact.groups:
        SubElement(item, GROUP).text = group
    return query


def removing(jid: str) -> Element:
    """Return what asks a server to take a contact off (section 2.5)."""
    query = Element(QUERY)
    SubElement(query, ITEM, {"jid": jid, "subscription": REMOVE})
    return query
