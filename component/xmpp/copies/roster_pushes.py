"""Roster pushes (RFC 6121 section 2.1.6), from copies of mod_service_log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from component.core.events.journal import EventJournal
from component.core.rosters.stanzas import NS, contacts_in, removed_in
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element, Malformed
from component.xmpp.connection.addresses import Addresses

log = logging.getLogger(__name__)

#: An IQ, its query, <item/>, <group/>.
_DEPTH = 3


class RosterPushes:
    """Detects changed rosters, because a server pushes each change to the owner's clients."""

    def __init__(
        self,
        changed: Callable[[str], None],
        addresses: Addresses,
        journal: EventJournal | None = None,
    ) -> None:
        """`changed` is called with the owner of each roster that has changed.

        `journal` notes the changed contacts.
        """
        self._changed = changed
        self._addresses = addresses
        self._journal = journal

    def take(self, host: str, iq: Element, raw: bytes = b"") -> None:
        """Read an IQ that `host` copied. It is a push only if the owner's account sent it."""
        if iq.get("type") != "set" or iq.child(NS, "query") is None:
            return
        recipient = self._addresses.accept(iq.get("to"))
        sender = self._addresses.accept(iq.get("from"))
        owner = jids.bare(recipient)
        if sender in ("", owner) and jids.resource(recipient) and jids.domain(owner) == host:
            self._changed(owner)
            if self._journal is not None and self._journal.is_open(owner):
                self._note(self._journal, owner, raw)

    def _note(self, journal: EventJournal, owner: str, raw: bytes) -> None:
        try:
            push = parse(raw, keep_depth=_DEPTH)
        except Malformed as error:
            log.debug("left out a roster push of %s: %s", owner, error)
            return
        removed = set(removed_in(push))
        contacts = [contact for contact in contacts_in(push) if contact.jid not in removed]
        journal.note_roster_push(owner, contacts, removed)
