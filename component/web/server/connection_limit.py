"""Who is given a connection: callers from near, so many of each, and so many of all together.

It is asked as soon as a connection is made, before anything of it is read.
"""

from __future__ import annotations

import logging
from asyncio import BaseTransport
from collections import Counter

from component.core.errors import Forbidden, Overloaded
from component.web.server.addresses import UNIX_SOCKET, LogOnce, address_of, is_within, party_of
from component.web.server.settings import WebSettings

log = logging.getLogger(__name__)


class ConnectionLimit:
    """Counts the connections of each party."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._inside: Counter[str] = Counter()
        self._told = LogOnce()

    def enter(self, transport: BaseTransport) -> str:
        """Return the party whose connection it is; it counts until `leave`.

        Raises Forbidden for an address that is not in `allow_from`, and Overloaded where there is
        no room.
        """
        party, settings = party_of(transport), self._settings
        address = address_of(transport)
        if address is not None and not is_within(address, settings.allow_from):
            self._tell(f"HTTP connections from {party} are refused: see http.allow_from")
            raise Forbidden("Requests from this address are not answered.")
        if self._inside.total() >= settings.max_connections:
            self._tell("too many HTTP connections: see http.max_connections")
            raise Overloaded("Too many connections: try again shortly.")
        most = settings.max_connections_per_address
        # A Unix socket is shared by all who may open it: there is nobody else to keep room for.
        if party != UNIX_SOCKET and self._inside[party] >= most:
            self._tell(
                f"too many HTTP connections from {party}: see http.max_connections_per_address"
            )
            raise Overloaded("Too many connections from this address: close some.")
        self._inside[party] += 1
        return party

    def leave(self, party: str) -> None:
        """Take a connection for closed."""
        self._inside[party] -= 1
        if not self._inside[party]:
            del self._inside[party]

    def _tell(self, what: str) -> None:
        if self._told.is_news(what):
            log.info("%s", what)
