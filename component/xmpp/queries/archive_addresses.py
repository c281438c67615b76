r"""XEP-0106: JID Escaping, version 1.1.1. Each archive has an address at the component.

That of room@rooms.example.org is room\40rooms.example.org@archive.example.org.
"""

from __future__ import annotations

import re

from component.core.errors import BadRequest, ItemNotFound
from component.core.xml import jids
from component.core.xml.jids import Jids

#: The escape sequences (section 3.3), in lower case only.
_ESCAPED = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


def owner_at(address: str, addresses: Jids) -> str | None:
    """Return the owner of the archive at an address, None if that is the component itself.

    The owner is a bare JID that need not exist. Raises ItemNotFound if the address is none of an
    archive.
    """
    if address == jids.domain(address):
        return None
    try:
        owner = addresses.prepare(unescape(jids.local(address)))
    except BadRequest:
        owner = ""
    if jids.resource(address) or jids.resource(owner) or not jids.local(owner):
        raise ItemNotFound("there is nobody at this address: ask the domain itself")
    return owner


def unescape(local: str) -> str:
    """Return a local part with its escape sequences replaced by the characters they stand for."""
    # slixmpp.jid.unescape_node panics on a local part that ends in "\\5" (slixmpp 1.17).
    return _ESCAPED.sub(lambda sequence: chr(int(sequence[1], 16)), local)
