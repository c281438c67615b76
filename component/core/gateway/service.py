"""The parts of the gateway that serve requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from cachetools import LRUCache

from component.core.gateway.contact_book import ContactBook
from component.core.gateway.reader import GatewayReader
from component.core.gateway.sessions import GatewaySessions

#: Sessions whose last notification is remembered.
NOTIFIED_MAX = 20_000


class Notified:
    """Up to which place each session was told that there is something new.

    It is in memory: after a restart a session is told once too often, and never too seldom.
    """

    def __init__(self) -> None:
        self._places: LRUCache[str, int] = LRUCache(NOTIFIED_MAX)

    def place(self, session: str) -> int | None:
        """Return the place of a session, None if it is not known."""
        return self._places.get(session)

    def note(self, session: str, place: int) -> None:
        """Note that a session was told about all events up to a place."""
        self._places[session] = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway."""

    sessions: GatewaySessions
    reader: GatewayReader
    contacts: ContactBook
    notified: Notified = field(default_factory=Notified)
