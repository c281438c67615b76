"""Addresses prepared as servers prepare them; implements `core.xml.jids.Jids`."""

from __future__ import annotations

from slixmpp import JID, InvalidJID

from component.core.errors import BadRequest
from component.core.xml.preparation import prepared


class Addresses:
    """Prepares addresses."""

    def prepare(self, address: str) -> str:
        """Return an address that somebody gave, prepared. Raises BadRequest."""
        try:
            is_there = bool(JID(address))
        except (InvalidJID, UnicodeEncodeError) as error:
            raise BadRequest(f"{address[:80]!r} is not an address") from error
        if not is_there:
            raise BadRequest("an address is missing")
        return prepared(address)

    def accept(self, address: str) -> str:
        """Return an address that the server let pass, prepared.

        The server knows its own users. That an address looks odd here loses no message.
        """
        return prepared(address)

    def require_clear(self, address: str) -> None:
        """Raise BadRequest where slixmpp would take an address for another one, or for none."""
        self.prepare(address)
        if str(JID(address)) != prepared(address):
            raise BadRequest(f"{address[:80]!r}: servers prepare this address differently")
