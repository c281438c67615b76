"""Addresses (RFC 7622): how they are prepared, and the parts of those that are."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

#: Addresses whose parts are remembered: the same ones come again and again.
REMEMBERED = 1000


class Jids(Protocol):
    """Prepares addresses as XMPP servers do, so that one user is one key everywhere."""

    def prepare(self, address: str) -> str:
        """Return the address with each part prepared (RFC 7622). Raises BadRequest."""
        ...


def bare(jid: str) -> str:
    """Return the address without its resource."""
    return jid.partition("/")[0]


def resource(jid: str) -> str:
    """Return the resource, "" when there is none."""
    return jid.partition("/")[2]


@lru_cache(REMEMBERED)
def domain(jid: str) -> str:
    """Return the domain."""
    return bare(jid).rpartition("@")[2]


@lru_cache(REMEMBERED)
def local(jid: str) -> str:
    """Return the local part, "" when there is none."""
    return bare(jid).rpartition("@")[0]
