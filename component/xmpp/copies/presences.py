"""Presences of users (RFC 6121 section 4), from copies of mod_service_log."""

from __future__ import annotations

from contextlib import suppress

from component.core.archiving.sessions import Sessions
from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stream_parser import Element
from component.core.xml.times import now
from component.xmpp.connection.addresses import Addresses


class Presences:
    """Notes the beginning and the end of our users' sessions."""

    def __init__(self, sessions: Sessions, addresses: Addresses, hosts: Hosts) -> None:
        self._sessions = sessions
        self._addresses = addresses
        self._hosts = hosts

    def take(self, presence: Element, _: bytes) -> None:
        """Note an available presence to all, or an unavailable presence to any user."""
        sender, recipient = (self._addresses.accept(presence.get(name)) for name in ("from", "to"))
        if not self._hosts.is_user(sender) or not jids.resource(sender):
            return
        type = presence.get("type")
        # A presence to all goes to the sender too. A presence to a single contact does not show a
        # session that gets messages.
        if not type and jids.bare(recipient) == jids.bare(sender):
            self._sessions.available(sender, _priority(presence), now())
        elif type == "unavailable" and jids.domain(recipient) in self._hosts:
            self._sessions.unavailable(sender, now())


def _priority(presence: Element) -> int:
    """Return the priority of a presence, 0 if it has none (RFC 6121 section 4.7.2.3)."""
    element = presence.child(NS_CLIENT, "priority")
    with suppress(ValueError):
        return int(element.text) if element is not None else 0
    return 0
