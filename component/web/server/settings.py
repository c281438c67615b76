"""What the HTTP server is told when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator
from component.core.accounts.protocol import Accounts
from component.core.archiving.writer import Queue, Writer
from component.core.background import Background
from component.core.commands.dispatch import CommandService
from component.core.commands.link import Link
from component.core.hosts import Hosts
from component.core.reading.follow import Followers
from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.retention.admin import ArchiveAdmin
from component.core.rosters.service import RosterService
from component.core.xml.jids import Jids
from component.handlers.functions import Handlers
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
    secret: str | None = field(repr=False)  #: what the server shows
    trusts_network: bool = False  #: who shows nothing is taken for the server
    operators: tuple[Operator, ...] = ()  #: who else may call, each with a secret of its own
    allow_from: tuple[Network, ...] = LOOPBACK  #: callers over a Unix socket are always let in
    hosts: tuple[str, ...] = ()  #: further names and addresses by which we may be called
    prefix: str = "/api"
    max_body_bytes: int = 1024 * 1024
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 8.0
    request_timeout_seconds: float = 9.0
    keepalive_timeout_seconds: float = 75.0
    stop_timeout_seconds: float = 5.0  #: for requests under way at the end, twice if they hang
    max_connections: int = 1000
    max_connections_per_address: int = 250  #: those of a Unix socket are not bounded by this
    max_items: int = 1000  #: in one request or answer of Remote Data
    page_default: int = 50  #: messages on a page where the caller does not say how many
    page_max: int = 250
    page_max_bytes: int = PAGE_MAX_BYTES
    max_streams: int = 200  #: open at once, exports too
    max_streams_per_caller: int = 50
    stream_heartbeat_seconds: float = 15.0
    count_as_string: bool = False  #: for an old caller of Remote Data that takes no number
    roster_details: bool = False  #: Remote Data shows groups and open requests as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the program that requests are served from."""

    storage: Storage
    authorizer: Authorizer
    writer: Writer
    queue: Queue  #: what comes from users, on its way to the writer: whoever reads waits for it
    link: Link
    jids: Jids
    administration: ArchiveAdmin
    commands: CommandService  #: where operators give commands
    accounts: Accounts
    rosters: RosterService
    hosts: Hosts
    followers: Followers  #: told by the writer of what is new
    background: Background = field(default_factory=Background)  #: what has to go on
    handlers: Handlers = field(default_factory=Handlers)  #: what the operator does in our place
