"""The servers at which users log in: our own ejabberd, and others that the operator has opened."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from component.core.xml import jids

#: Opens all servers.
ALL = "*"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address at which a server accepts clients."""

    address: str
    port: int
    is_direct_tls: bool = False  #: XEP-0368; otherwise by STARTTLS


class Server(Protocol):
    """A server at which users log in."""

    @property
    def name(self) -> str:
        """How the server is called in the log."""
        ...

    @property
    def context(self) -> ssl.SSLContext:
        """The context of TLS, which checks the certificate."""
        ...

    @property
    def mechanisms(self) -> dict[str, Any]:
        """The configuration of slixmpp's plugin `feature_mechanisms`."""
        ...

    async def endpoints(self) -> Sequence[Endpoint]:
        """Return where to connect, the best one first. Raises OSError."""
        ...


class OpenedServers:
    """The other servers whose users may sign in."""

    def __init__(self, domains: Iterable[str], own: Iterable[str]) -> None:
        """`domains` are the opened ones, or ALL.

        `own` are the domains that are served here. They, and for ALL the domains below them, are
        never opened.
        """
        self._domains = frozenset(domains)
        self._own = frozenset(own)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._domains)

    def admits(self, address: str) -> bool:
        """Return whether a bare or full JID is that of a user on an opened server."""
        domain = jids.domain(address)
        if not jids.local(address) or domain in self._own:
            return False
        if domain in self._domains:
            return True
        return ALL in self._domains and not self._is_below_own(domain) and _is_name(domain)

    def _is_below_own(self, domain: str) -> bool:
        return any(domain.endswith(f".{own}") for own in self._own)


#: No other server is open.
NONE = OpenedServers((), ())


def _is_name(domain: str) -> bool:
    """Return whether a domain is one of DNS with several labels, and no address."""
    try:
        ip_address(domain.strip("[]"))
    except ValueError:
        return "." in domain.strip(".")
    return False
