"""JIDs (RFC 7622): the Protocol that prepares them, and the parts of prepared JIDs."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

#: JIDs whose parts are cached: 0.1 microseconds instead of 0.4, some ten times a stanza.
CACHED_MAX = 10_000


class Jids(Protocol):
    """Prepares addresses as XMPP servers do, so that one user is one key everywhere."""

    def prepare(self, address: str) -> str:
        """Return the address with each part prepared (RFC 7622). Raises BadRequest."""
        ...


def bare(jid: str) -> str:
    """Return the JID without its resource."""
    return jid.partition("/")[0]


def resource(jid: str) -> str:
    """Return the resourcepart, "" if there is none."""
    return jid.partition("/")[2]


@lru_cache(CACHED_MAX)
def domain(jid: str) -> str:
    """Return the domainpart."""
    return bare(jid).rpartition("@")[2]


@lru_cache(CACHED_MAX)
def local(jid: str) -> str:
    """Return the localpart, "" if there is none."""
    return bare(jid).rpartition("@")[0]
