"""Roster pushes (RFC 6121 section 2.1.6), from copies of mod_service_log."""

from __future__ import annotations

from collections.abc import Callable

from component.core.rosters.stanzas import NS
from component.core.xml import jids
from component.core.xml.stream_parser import Element
from component.xmpp.connection.addresses import Addresses


class RosterPushes:
    """Detects changed rosters, because a server pushes each change to the owner's clients."""

    def __init__(self, changed: Callable[[str], None], addresses: Addresses) -> None:
        """`changed` is called with the owner of each roster that has changed."""
        self._changed = changed
        self._addresses = addresses

    def take(self, host: str, iq: Element, _: bytes = b"") -> None:
        """Read an IQ that `host` copied. It is a push only if the owner's account sent it."""
        if iq.get("type") != "set" or iq.child(NS, "query") is None:
            return
        recipient = self._addresses.accept(iq.get("to"))
        sender = self._addresses.accept(iq.get("from"))
        owner = jids.bare(recipient)
        if sender in ("", owner) and jids.resource(recipient) and jids.domain(owner) == host:
            self._changed(owner)
