r"""XEP-0106: JID Escaping, version 1.1.1. Addresses of archives at the component.

The archive of room@rooms.example.org is room\40rooms.example.org@archive.example.org there.
"""

from __future__ import annotations

import re

from component.core.errors import BadRequest, ItemNotFound
from component.core.xml import jids
from component.core.xml.jids import Jids

#: The sequences of section 3.3; their case is significant, and nothing else is one.
_ESCAPED = re.compile(r"\\(20|22|26|27|2f|3a|3c|3e|40|5c)")


def owner_at(address: str, addresses: Jids) -> str | None:
    """Return the bare JID whose archive has that address, None for the component itself.

    Whether there is such an archive is not known here. Raises ItemNotFound.
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
    """Return a local part with the characters that it could not hold."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), local)
