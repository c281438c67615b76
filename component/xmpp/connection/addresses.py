"""Addresses prepared as XMPP servers prepare them; implements `core.xml.jids.Jids`."""

from __future__ import annotations

from slixmpp import JID, InvalidJID

from component.core.errors import BadRequest
from component.core.xml.preparation import prepared


class Addresses:
    """Checks addresses with slixmpp, and prepares them with `core.xml.preparation`."""

    def prepare(self, address: str) -> str:
        """Return an address from a request, prepared. Raises BadRequest."""
        try:
            is_empty = not JID(address)
        except (InvalidJID, UnicodeEncodeError) as error:
            raise BadRequest(f"{address[:80]!r} is not an address") from error
        if is_empty:
            raise BadRequest("an address is missing")
        return prepared(address)

    def accept(self, address: str) -> str:
        """Return an address from a stanza of the server, prepared.

        The address is not checked, so that no message is lost because of an odd address.
        """
        return prepared(address)

    def require_same(self, address: str) -> None:
        """Raise BadRequest if slixmpp prepares an address differently, or rejects it.

        slixmpp would send the answer to another address than the requester's.
        """
        self.prepare(address)
        if str(JID(address)) != prepared(address):
            raise BadRequest(f"{address[:80]!r}: servers prepare this address differently")


def of_host_for_iq(host: str) -> str:
    """Return the address at which every ejabberd accepts an IQ of ours to a virtual host.

    ejabberd 24.10 and 24.12 drop the IQs of a component with mod_privilege to addresses without a
    resource (issue 4336 of ejabberd). A virtual host matches results by their ids, and answers a
    ping to any resource with an error.
    """
    return f"{host}/muniment"
