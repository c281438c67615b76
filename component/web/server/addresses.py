"""Where callers come from: their address, and the party that shares it."""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic

from component.web.server.settings import Network

#: Parties whose networks are remembered, and things that are remembered as told.
REMEMBERED = 1000

#: How long nothing is told again, in seconds.
TOLD_SECONDS = 60.0

#: The bits of an IPv6 address that its network gives: whoever has one has all others behind them.
NETWORK_BITS = 64

UNIX_SOCKET = "the Unix socket"

_LOOPBACK = "loopback"

Address = IPv4Address | IPv6Address


def address_of(transport: BaseTransport | None, end: str = "peername") -> Address | None:
    """Return the IP address of one end of a connection, None for a Unix socket.

    `end` is "peername" or "sockname". An IPv4 address in IPv6 is an IPv4 address.
    """
    name = transport.get_extra_info(end) if transport else None
    return _parsed(name[0]) if isinstance(name, tuple) else None


def party_of(transport: BaseTransport | None) -> str:
    """Return who counts as one caller: an address, a network of IPv6, this machine."""
    address = address_of(transport)
    return UNIX_SOCKET if address is None else _party(address)


@lru_cache(REMEMBERED)
def is_within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Whether any of these networks has the address."""
    return any(address in network for network in networks)


class LogOnce:
    """What was told to the log already, so that nobody fills it by doing a thing again."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._at: dict[str, float] = {}  # what was told last stands last

    def is_news(self, subject: str) -> bool:
        """Whether it is to be told: it was not for TOLD_SECONDS. Then it counts as told."""
        now = self._clock()
        if now - self._at.get(subject, float("-inf")) < TOLD_SECONDS:
            return False
        self._at.pop(subject, None)
        self._at[subject] = now
        if len(self._at) > REMEMBERED:
            del self._at[next(iter(self._at))]
        return True


@lru_cache(REMEMBERED)
def _parsed(host: str) -> Address:
    address = ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(REMEMBERED)
def _party(address: Address) -> str:
    if address.is_loopback:
        return _LOOPBACK
    if address.version == 6:
        return str(ip_network((address.packed, NETWORK_BITS), strict=False))
    return str(address)
