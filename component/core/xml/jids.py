"""Parts of addresses (RFC 7622), read from strings that are already prepared."""

from __future__ import annotations

from functools import lru_cache

#: Addresses whose parts are remembered: the same ones come again and again.
REMEMBERED = 1000


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
