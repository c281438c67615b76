"""Accept connections from allowed networks only, up to a number for each party and for all.

The listener decides this when a connection is made, before it reads any bytes.
"""

from __future__ import annotations

import logging
from asyncio import BaseTransport
from collections import Counter

from component.core.errors import Forbidden, Overloaded
from component.web.server.addresses import UNIX_SOCKET, LogOnce, address_of, is_within, party_of
from component.web.server.forwarding import RESERVED_PER_PARTY, is_proxy
from component.web.server.settings import ListenerSettings

log = logging.getLogger(__name__)

#: Connections of all parties together beyond the limits, on which only health and metrics are
#: answered.
RESERVED = 8


class ConnectionLimit:
    """Counts the connections of each party to one listener."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._settings = settings
        self._open: Counter[str] = Counter()
        self._reserved: Counter[str] = Counter()
        self._log_once = LogOnce()

    def enter(self, transport: BaseTransport) -> str:
        """Count a connection until `leave`, and return its party.

        Raises Forbidden for an address that is not in `allow_from`, and Overloaded if there is
        no room.
        """
        party, settings = party_of(transport), self._settings
        address, section = address_of(transport), settings.section
        if address is not None and not is_within(address, settings.allow_from):
            self._log(f"HTTP connections from {party} are refused: see {section}.allow_from")
            raise Forbidden("Requests from this address are not answered.")
        if self._open.total() >= settings.max_connections:
            self._log(f"too many HTTP connections: see {section}.max_connections")
            raise Overloaded("Too many connections: try again shortly.")
        maximum = settings.max_connections_per_address
        # All callers share a Unix socket, so there is no other party to keep room for. The callers
        # of a trusted proxy are counted by request (forwarding.identify).
        is_shared = party == UNIX_SOCKET or is_proxy(address, settings.trusted_proxies)
        if not is_shared and self._open[party] >= maximum:
            self._log(
                f"too many HTTP connections from {party}:"
                f" see {section}.max_connections_per_address"
            )
            raise Overloaded("Too many connections from this address: close some.")
        self._open[party] += 1
        return party

    def leave(self, party: str) -> None:
        """Count a connection of the party as closed."""
        _remove(self._open, party)

    def enter_reserve(self, transport: BaseTransport) -> str | None:
        """Count a connection beyond the limits until `leave_reserve`, and return its party.

        Return None if there is no room for it either.
        """
        party = party_of(transport)
        is_full = self._reserved.total() >= RESERVED
        if is_full or self._reserved[party] >= RESERVED_PER_PARTY:
            return None
        self._reserved[party] += 1
        return party

    def leave_reserve(self, party: str) -> None:
        """Count a connection beyond the limits as closed."""
        _remove(self._reserved, party)

    def _log(self, text: str) -> None:
        if self._log_once.is_new(text):
            log.info("%s", text)


def _remove(counter: Counter[str], party: str) -> None:
    counter[party] -= 1
    if not counter[party]:
        del counter[party]
