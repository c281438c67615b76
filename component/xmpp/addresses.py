"""Addresses prepared by slixmpp, as servers prepare them; implements `core.ports.Jids`."""

from __future__ import annotations

from slixmpp import JID, InvalidJID

from component.core.errors import BadRequest


class Addresses:
    """Prepares addresses."""

    def prepare(self, address: str) -> str:
        """Return the address with each part prepared (RFC 7622). Raises BadRequest."""
        try:
            prepared = str(JID(address))
        except (InvalidJID, UnicodeEncodeError) as error:
            raise BadRequest(f"{address[:80]!r} is not an address") from error
        if not prepared:
            raise BadRequest("an address is missing")
        return prepared

    def accept(self, address: str) -> str:
        """Return an address that the server let pass: prepared, or as it stands.

        The server knows its own users. That an address looks odd here loses no message.
        """
        try:
            return self.prepare(address)
        except BadRequest:
            return address
