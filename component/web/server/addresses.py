"""Addresses of callers, and parties, which are groups of addresses that count as one caller."""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic

from cachetools import TTLCache

from component.web.server.settings import Network

#: Maximum number of entries in each cache of this module.
CACHE_SIZE = 1000

#: Seconds for which LogOnce does not log a subject again.
REPEAT_SECONDS = 60.0

#: The bits of an IPv6 address that a provider gives: its owner may choose all bits behind them.
NETWORK_BITS = 64

UNIX_SOCKET = "the Unix socket"

_LOOPBACK = "loopback"

Address = IPv4Address | IPv6Address


def address_of(transport: BaseTransport | None, end: str = "peername") -> Address | None:
    """Return the IP address of one end of a connection, None for a Unix socket.

    `end` is "peername" or "sockname". An IPv4 address in IPv6 is an IPv4 address.
    """
    name = transport.get_extra_info(end) if transport else None
    return parsed(name[0]) if isinstance(name, tuple) else None


def party_of(transport: BaseTransport | None) -> str:
    """Return the party of a caller: an IPv4 address, a network of IPv6, or this machine."""
    address = address_of(transport)
    return UNIX_SOCKET if address is None else party_at(address)


@lru_cache(CACHE_SIZE)
def is_within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Return whether the address is in any of these networks."""
    return any(address in network for network in networks)


class LogOnce:
    """Remembers recently logged subjects, so that a caller cannot fill the log by repetition."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._logged: TTLCache[str, None] = TTLCache(CACHE_SIZE, REPEAT_SECONDS, timer=clock)

    def is_new(self, subject: str) -> bool:
        """Return False if a subject was logged within REPEAT_SECONDS; else note it as logged."""
        if subject in self._logged:
            return False
        self._logged[subject] = None
        return True


@lru_cache(CACHE_SIZE)
def parsed(host: str) -> Address:
    """Return an IP address; an IPv4 address in IPv6 is an IPv4 address. Raises ValueError."""
    address = ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(CACHE_SIZE)
def party_at(address: Address) -> str:
    """Return the party of an address."""
    if address.is_loopback:
        return _LOOPBACK
    if address.version == 6:
        return str(ip_network((address.packed, NETWORK_BITS), strict=False))
    return str(address)
