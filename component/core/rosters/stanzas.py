"""Build and read rosters in stanzas (RFC 6121 section 2, `jabber:iq:roster`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from component.core.rosters.contacts import REMOVE, SUBSCRIPTIONS, is_asked
from component.core.xml.preparation import prepared
from component.core.xml.stream_parser import Element
from storage.rows import Contact

NS = "jabber:iq:roster"


def roster_xml(contacts: Iterable[Contact], version: str | None = None) -> str:
    """Return the roster that its owner sees, with its version (section 2.6) if there is one."""
    ver = "" if version is None else f" ver={quoteattr(version)}"
    return f"<query xmlns='{NS}'{ver}>{''.join(map(_item_xml, contacts))}</query>"


def set_xml(contact: Contact) -> str:
    """Return the query of a roster set that adds or replaces a contact (section 2.3).

    It has the name and the groups. It cannot set subscriptions, which follow from presence.
    """
    return _query_xml({"jid": contact.jid, "name": contact.name}, contact.groups)


def remove_xml(jid: str) -> str:
    """Return the query of a roster set that removes a contact (section 2.5)."""
    return _query_xml({"jid": jid, "subscription": REMOVE})


def contacts_in(iq: Element) -> Iterator[Contact]:
    """Yield the contacts in a roster result, with prepared JIDs."""
    query = iq.child(NS, "query")
    for item in query.elements if query else ():
        if (item.ns, item.name) != (NS, "item"):
            continue
        subscription = item.get("subscription")
        groups = [child.text for child in item.elements if (child.ns, child.name) == (NS, "group")]
        yield Contact(
            jid=prepared(item.get("jid")),
            name=item.get("name"),
            subscription=subscription if subscription in SUBSCRIPTIONS else "none",
            ask="subscribe" if item.get("ask") == "subscribe" else "",
            is_approved=item.get("approved") in ("true", "1"),
            groups=tuple(sorted(groups)),
        )


def _query_xml(attributes: dict[str, str], groups: Iterable[str] = ()) -> str:
    return f"<query xmlns='{NS}'>{_element_xml(attributes, groups)}</query>"


def _item_xml(contact: Contact) -> str:
    attributes = {"jid": contact.jid, "name": contact.name, "subscription": contact.subscription}
    if is_asked(contact):
        attributes["ask"] = "subscribe"
    if contact.is_approved:
        attributes["approved"] = "true"
    return _element_xml(attributes, contact.groups)


def _element_xml(attributes: dict[str, str], groups: Iterable[str]) -> str:
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items() if value)
    children = "".join(f"<group>{escape(group)}</group>" for group in groups)
    return f"<item{written}>{children}</item>"
