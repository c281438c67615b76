"""Presences that users receive from their contacts (RFC 6121 section 4), for the journal."""

from __future__ import annotations

from component.core.events.journal import EventJournal
from component.core.events.values import ContactPresence
from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stream_parser import Element
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.presences import priority_of

NS_MUC_USER = "http://jabber.org/protocol/muc#user"


class ContactPresences:
    """Notes which contacts of users are available.

    Only presences that the server delivers to a user count: whoever blocks the user sends none.
    """

    def __init__(self, journal: EventJournal, addresses: Addresses, hosts: Hosts) -> None:
        self._journal = journal
        self._addresses = addresses
        self._hosts = hosts

    def take(self, presence: Element, _: bytes) -> None:
        """Read one presence; those of occupants of rooms are none of a contact."""
        type = presence.get("type")
        if type not in ("", "unavailable"):
            return
        sender, recipient = (self._addresses.accept(presence.get(name)) for name in ("from", "to"))
        owner = jids.bare(recipient)
        if not self._hosts.is_user(owner) or not self._journal.is_open(owner):
            return
        is_of_room = presence.child(NS_MUC_USER, "x") is not None
        is_available = not type
        if jids.bare(sender) in ("", owner) or is_of_room:
            return
        if is_available and not jids.resource(sender):
            return
        self._journal.note_presence(
            owner,
            ContactPresence(
                jid=sender,
                is_available=is_available,
                show=_text(presence, "show"),
                status=_text(presence, "status"),
                priority=priority_of(presence),
            ),
        )


def _text(presence: Element, name: str) -> str:
    element = presence.child(NS_CLIENT, name)
    return "" if element is None else element.text.strip()
