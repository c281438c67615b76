"""What the HTTP server is told when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from component.core.ports import Jids, Link
from component.core.writer import Writer
from storage.interface import Storage

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

#: An address that starts with this is the path of a Unix socket.
UNIX = "unix:"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where to listen, whom to answer, and how long to wait for whom."""

    address: str = "127.0.0.1"  #: host name or IP address, or unix:PATH
    port: int = 5281  #: 0 takes a free one
    secret: str | None  #: what callers show; None: being in `allow_from` is enough
    allow_from: tuple[Network, ...] = LOOPBACK  #: callers over a Unix socket are always let in
    prefix: str = "/api"
    max_body_bytes: int = 1024 * 1024
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 8.0
    request_timeout_seconds: float = 9.0
    keepalive_timeout_seconds: float = 75.0
    stop_timeout_seconds: float = 10.0  #: for requests under way when the server stops
    max_connections: int = 1000
    max_items: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the program that requests are served from."""

    storage: Storage
    writer: Writer
    link: Link
    jids: Jids
    hosts: tuple[str, ...]  #: virtual hosts, prepared; the first one is meant where none is named
