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
    """The place up to which each session was notified.

    It is in memory: after a restart a session gets a notification too many, never too few.
    """

    def __init__(self) -> None:
        self._places: LRUCache[str, int] = LRUCache(NOTIFIED_MAX)

    def place(self, session: str) -> int | None:
        """Return the place of a session, None if it is not known."""
        return self._places.get(session)

    def note(self, session: str, place: int) -> None:
        """Note that a session was notified of all events up to a place."""
        self._places[session] = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The gateway."""

    sessions: GatewaySessions
    reader: GatewayReader
    contacts: ContactBook
    notified: Notified = field(default_factory=Notified)
