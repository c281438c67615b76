"""Presences and subscription requests of users (RFC 6121 sections 3 and 4), for the journal."""

from __future__ import annotations

from component.core.events.journal import EventJournal
from component.core.events.values import ContactPresence
from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import NS_MUC_USER
from component.core.xml.stream_parser import Element
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.presences import priority_of

#: Types of presences that ask, or answer, whether somebody may see a user.
_ABOUT_REQUESTS = frozenset({"subscribe", "unsubscribe", "subscribed", "unsubscribed"})


class ContactPresences:
    """Notes which contacts of users are available, and who asks to see the users.

    Only presences that the server delivers to a user count: whoever blocks the user sends none.
    """

    def __init__(self, journal: EventJournal, addresses: Addresses) -> None:
        self._journal = journal
        self._addresses = addresses

    def take(self, presence: Element, _: bytes) -> None:
        """Read one presence; those of occupants of rooms are none of a contact."""
        type = presence.get("type")
        if type in _ABOUT_REQUESTS:
            self._take_request(type, presence)
            return
        owner = jids.bare(self._addresses.accept(presence.get("to")))
        if type not in ("", "unavailable") or not self._journal.is_open(owner):
            return
        sender, is_available = self._addresses.accept(presence.get("from")), not type
        is_of_room = presence.child(NS_MUC_USER, "x") is not None
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

    def _take_request(self, type: str, presence: Element) -> None:
        """Note a request to see a user, or the end of one."""
        sender = jids.bare(self._addresses.accept(presence.get("from")))
        recipient = jids.bare(self._addresses.accept(presence.get("to")))
        if "" in (sender, recipient) or sender == recipient:
            return
        if type == "subscribe":
            self._journal.note_request(recipient, sender, _text(presence, "status"))
        elif type == "unsubscribe":
            self._journal.note_request_ended(recipient, sender)
        else:
            # The user has answered.
            self._journal.note_request_ended(sender, recipient)


def _text(presence: Element, name: str) -> str:
    element = presence.child(NS_CLIENT, name)
    return "" if element is None else element.text.strip()
