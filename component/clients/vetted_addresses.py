"""Addresses of hosts that users name: public ones, and those that the operator allows.

A caller connects to exactly the addresses that it gets here. A second look-up could have another
answer (DNS rebinding).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import aiodns
from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

#: Seconds for one question to a name server, and questions until it counts as silent.
QUERY_SECONDS = 2.0
TRIES = 2

#: Addresses of one host that are tried; further ones are ignored.
MAX_ADDRESSES = 8

#: The global unicast addresses (RFC 4291 section 2.4, IANA).
_UNICAST = IPv6Network("2000::/3")
#: Networks in whose addresses the last 32 bits are one of IPv4: the well-known prefix of NAT64
#: (RFC 6052 section 2.1), and IPv4-compatible addresses (RFC 4291 section 2.5.5.1).
_WITH_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
#: Relays of 6to4, which lead to any network (RFC 7526).
_RELAYS = IPv4Network("192.88.99.0/24")


class AddressRefused(OSError):
    """The host has no address that may be connected to. The text is the same for every reason."""

    def __init__(self) -> None:
        super().__init__("this host cannot be reached")


class VettedAddresses:
    """Finds the addresses of hosts, and refuses those that are not public."""

    def __init__(
        self,
        allowed: Sequence[IPv4Network | IPv6Network] = (),
        *,
        nameservers: Sequence[str] = (),
        port: int = 53,
    ) -> None:
        """`allowed` are networks that need not be public.

        `nameservers` are addresses of name servers, which listen on `port`; none means those of
        this machine.
        """
        self._allowed = tuple(allowed)
        self._nameservers = tuple(nameservers)
        self._port = port
        self._dns: aiodns.DNSResolver | None = None

    @property
    def dns(self) -> aiodns.DNSResolver:
        """The resolver of the running loop."""
        if self._dns is None:
            self._dns = aiodns.DNSResolver(
                self._nameservers or None,
                timeout=QUERY_SECONDS,
                tries=TRIES,
                udp_port=self._port,
                tcp_port=self._port,
            )
        return self._dns

    def allows(self, address: str) -> bool:
        """Return whether an address may be connected to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        inner = _ipv4_inside(parsed)
        is_allowed = any(parsed in network or inner in network for network in self._allowed)
        return is_allowed or _is_public(inner)

    async def resolve(
        self, host: str, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> tuple[str, ...]:
        """Return the addresses of a host name, or an address itself, that may be connected to.

        Raises AddressRefused if there are none, or if the name cannot be looked up.
        """
        literal = host.removeprefix("[").removesuffix("]")
        addresses = [literal] if _is_address(literal) else await self._look_up(host, family)
        vetted = tuple(address for address in addresses if self.allows(address))
        if not vetted:
            raise AddressRefused
        return vetted[:MAX_ADDRESSES]

    async def _look_up(self, host: str, family: socket.AddressFamily) -> list[str]:
        try:
            answer = await self.dns.getaddrinfo(host, family, type=socket.SOCK_STREAM)
        except (aiodns.error.DNSError, ValueError):
            return []
        return list(dict.fromkeys(node.addr[0].decode("ascii") for node in answer.nodes))

    async def close(self) -> None:
        """Give up what is being looked up."""
        if self._dns is not None:
            await self._dns.close()
            self._dns = None


class VettedResolver(AbstractResolver):
    """The resolver of an aiohttp client that connects to vetted addresses only."""

    def __init__(self, addresses: VettedAddresses) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._addresses.resolve(host, family)
        ]

    async def close(self) -> None:
        """Do nothing: the addresses may have other users."""


def vetted_connector(addresses: VettedAddresses, *, limit: int = 100) -> TCPConnector:
    """Return a connector of aiohttp that connects to vetted addresses only.

    aiohttp asks no resolver about a URL with an address, so the socket is checked too. `limit` is
    the number of concurrent connections.
    """

    def vetted_socket(info: AddrInfoType) -> socket.socket:
        family, kind, proto, _, address = info
        if not addresses.allows(str(address[0])):
            raise AddressRefused
        return socket.socket(family, kind, proto)

    return TCPConnector(
        limit=limit, resolver=VettedResolver(addresses), socket_factory=vetted_socket
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _ipv4_inside(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address to which an IPv6 address leads, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in _WITH_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return address in _UNICAST if isinstance(address, IPv6Address) else address not in _RELAYS
