"""Presences of users, from the copies that mod_service_log makes of them (RFC 6121 section 4)."""

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
    """Hears which sessions of our users come and go."""

    def __init__(self, sessions: Sessions, addresses: Addresses, hosts: Hosts) -> None:
        self._sessions = sessions
        self._addresses = addresses
        self._hosts = hosts

    def take(self, presence: Element, _: bytes) -> None:
        """Note a presence that a user sent to all, or that says goodbye to another user."""
        sender, recipient = (self._addresses.accept(presence.get(it)) for it in ("from", "to"))
        if not self._hosts.is_user(sender) or not jids.resource(sender):
            return
        kind = presence.get("type")
        # Sent to all it is for oneself, too; to somebody else alone it tells nothing of messages.
        if not kind and jids.bare(recipient) == jids.bare(sender):
            self._sessions.came(sender, _priority(presence), now())
        elif kind == "unavailable" and jids.domain(recipient) in self._hosts:
            self._sessions.went(sender, now())


def _priority(presence: Element) -> int:
    """Return the priority of a presence, 0 where it has none (RFC 6121 section 4.7.2.3)."""
    element = presence.child(NS_CLIENT, "priority")
    with suppress(ValueError):
        return int(element.text) if element is not None else 0
    return 0
