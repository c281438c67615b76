"""Addresses prepared as XMPP servers prepare them; implements `core.xml.jids.Jids`."""

from __future__ import annotations

from slixmpp import JID, InvalidJID

from component.core.errors import BadRequest
from component.core.xml.preparation import prepared


class Addresses:
    """Checks addresses by slixmpp, and prepares them by `core.xml.preparation`."""

    def prepare(self, address: str) -> str:
        """Return an address that a person or a program gave, prepared. Raises BadRequest."""
        try:
            is_empty = not JID(address)
        except (InvalidJID, UnicodeEncodeError) as error:
            raise BadRequest(f"{address[:80]!r} is not an address") from error
        if is_empty:
            raise BadRequest("an address is missing")
        return prepared(address)

    def accept(self, address: str) -> str:
        """Return an address from a stanza that the server let pass, prepared.

        It is not checked: the server knows its users, and no message is lost for an odd address.
        """
        return prepared(address)

    def require_same(self, address: str) -> None:
        """Raise BadRequest if slixmpp prepares an address differently, or rejects it.

        slixmpp would answer another address than the one that asked.
        """
        self.prepare(address)
        if str(JID(address)) != prepared(address):
            raise BadRequest(f"{address[:80]!r}: servers prepare this address differently")


def of_host_for_iq(host: str) -> str:
    """Return the address at which every ejabberd accepts an IQ of ours to a virtual host.

    ejabberd 24.10 and 24.12 drop the IQs of a component with mod_privilege to addresses without a
    resource (issue 4336 of ejabberd). A virtual host matches the results that it waits for by
    their ids, and answers a ping to any resource: that there is no such one.
    """
    return f"{host}/muniment"
