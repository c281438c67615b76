"""The settings of the HTTP server, and the parts of the program that answer its requests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Self

from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator
from component.core.access.rooms import RoomInfo, Rooms
from component.core.accounts.protocol import AccountSource
from component.core.accounts.shared_limits import SharedLimits
from component.core.archiving.writer import Queue, Writer
from component.core.background import Background
from component.core.commands.link import Link
from component.core.doctor.server import Grants
from component.core.events.reader import EventReader
from component.core.gaps import Gaps
from component.core.gateway.settings import GatewaySettings
from component.core.hosts import Hosts
from component.core.metrics import Metrics
from component.core.reading.displayed import DisplayedMarkers
from component.core.reading.follow import Followers
from component.core.reading.pages import PAGE_MAX_BYTES, Pager
from component.core.rosters.service import RosterService
from component.core.sessions.servers import NONE, OpenedServers
from component.core.xml.jids import Jids
from component.handlers.functions import Handlers
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from storage.interface import Storage

if TYPE_CHECKING:
    # A start is shorter without the parts that it does not use.
    from component.core.chat.following.signals import Signals
    from component.core.chat.service import Chat
    from component.core.commands.dispatch import CommandService
    from component.core.ejabberd_api.callers.oauth import OauthTokens
    from component.core.ejabberd_api.callers.passwords import CheckedPasswords
    from component.core.ejabberd_api.service import EjabberdApiService
    from component.core.events.journal import EventJournal
    from component.core.gateway.service import Gateway
    from component.core.push.subscriptions import PushSubscriptions
    from component.core.retention.admin import ArchiveAdmin
    from component.core.sessions.actions import SessionActions
    from component.core.sessions.sending import Sender
    from component.core.tokens.sign_ins import SignIns

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

EVERYBODY: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


#: What is read anew for each connection and request, so that a reload can change it.
RELOADED = frozenset(
    {
        "allow_from",
        "body_timeout_seconds",
        "count_as_string",
        "header_timeout_seconds",
        "hosts",
        "keepalive_timeout_seconds",
        "max_connections",
        "max_connections_per_address",
        "poll_seconds",
        "roster_details",
        "secret",
        "stream_heartbeat_seconds",
        "trusted_proxies",
        "trusts_network",
    }
)


class Listener(StrEnum):
    """A listener, which serves families; the value is its section of the configuration."""

    PRIVATE = "http"  #: for servers and operators
    PUBLIC = "public_http"  #: for end users


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """The address of a listener, the networks that may connect, and the limits of requests."""

    section: Listener = Listener.PRIVATE
    address: str = "127.0.0.1"  #: host name or IP address, or unix:PATH
    port: int = 5281  #: 0 chooses a free port
    allow_from: tuple[Network, ...] = LOOPBACK  #: callers over a Unix socket may always connect
    trusted_proxies: tuple[Network, ...] = ()  #: the listener believes their X-Forwarded-For
    cors_origins: tuple[str, ...] = ()  #: origins whose pages may call from a browser
    docs: bool = True  #: whether /openapi.json and /docs are served
    max_body_bytes: int = 1024 * 1024
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 8.0
    request_timeout_seconds: float = 9.0
    keepalive_timeout_seconds: float = 75.0
    stop_timeout_seconds: float = 5.0  #: for running requests at the end, twice if they hang
    max_connections: int = 1000
    max_connections_per_address: int = 250  #: those of a Unix socket are not bounded by this
    max_streams: int = 200  #: open at once, exports too
    max_streams_per_caller: int = 50

    def reload(self, new: Self) -> None:
        """Take over the values of RELOADED. All parts of the server share this object."""
        for own in fields(self):
            if own.name in RELOADED:
                # Nothing but a reload changes settings, so they are frozen for all others.
                object.__setattr__(self, own.name, getattr(new, own.name))


#: The public listener by default.
PUBLIC = ListenerSettings(section=Listener.PUBLIC, port=5282, allow_from=EVERYBODY)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """Pages for browsers."""

    enabled: bool = True
    upload_origins: tuple[str, ...] = ()  #: of files that the chat page sends and shows


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings(ListenerSettings):
    """The private listener, the public listener, and the settings of the families."""

    public: ListenerSettings = PUBLIC
    secret: str | None = field(repr=False)  #: sent by the server
    trusts_network: bool = False  #: whether a caller without a secret counts as the server
    operators: Collection[Operator] = ()  #: further callers, each with a secret of its own
    hosts: tuple[str, ...] = ()  #: further names and addresses in the Host header
    prefix: str = "/api"
    ejabberd_api_prefix: str = "/api"
    max_items: int = 1000  #: in one request or answer of Remote Data
    page_default: int = 50  #: messages on a page if the request has no limit
    page_max: int = 250
    page_max_bytes: int = PAGE_MAX_BYTES
    max_polls: int = 5000  #: that wait for events at once
    max_polls_per_user: int = 20
    poll_seconds: int = 50  #: for which a poll waits at most
    stream_heartbeat_seconds: float = 15.0
    count_as_string: bool = False  #: for old callers of Remote Data that accept no number
    roster_details: bool = False  #: Remote Data shows groups and pending requests too
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    pages: PageSettings = field(default_factory=PageSettings)
    condor_chat: CondorChatSettings | None = None  #: None: condor_chat's API is not served
    bpo_chat: BpoChatSettings | None = None  #: None: bpo-chat-api's API is not served

    def listener(self, listener: Listener) -> ListenerSettings:
        """Return the settings of a listener."""
        return self if listener is Listener.PRIVATE else self.public


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the program that serve requests."""

    storage: Storage
    authorizer: Authorizer
    writer: Writer
    queue: Queue  #: messages on their way to the writer; a read waits until they are written
    link: Link
    grants: Grants  #: what ejabberd grants
    jids: Jids
    administration: ArchiveAdmin
    commands: CommandService  #: runs the commands of operators
    accounts: AccountSource
    rosters: RosterService
    hosts: Hosts
    rooms: Rooms  #: and who is in them
    room_info: RoomInfo
    sign_ins: SignIns | None = None  #: None: users cannot sign in
    sender: Sender | None = None  #: None: users cannot send
    gateway: Gateway | None = None  #: None: there is no REST gateway
    push: PushSubscriptions | None = None  #: None: no events are pushed
    chat: Chat | None = None  #: None: there is no chat
    opened: OpenedServers = NONE  #: other servers whose users may sign in
    ejabberd_api: EjabberdApiService | None = None  #: None: ejabberd's API is not served
    checked_passwords: CheckedPasswords | None = None  #: of the callers of ejabberd's API
    oauth_tokens: OauthTokens | None = None  #: of ejabberd; None: they are not accepted
    session_actions: SessionActions | None = None  #: None: users have no sessions
    followers: Followers  #: woken by the writer when there are new messages
    journal: EventJournal  #: of contacts and presences, for users who read events
    signals: Signals  #: chat states, for those who follow
    displayed: DisplayedMarkers | None = None  #: markers of displayed messages
    gaps: Gaps  #: of all archives
    metrics: Metrics = field(default_factory=Metrics)  #: of the program
    limits: SharedLimits | None = None  #: on guesses; None: each listener has one of its own
    background: Background = field(default_factory=Background)  #: the tasks that have to run
    handlers: Handlers = field(default_factory=Handlers)  #: functions of the operator's module


def pager_of(settings: WebSettings, services: Services) -> Pager:
    """Return the pager of the families whose pages have the configured size."""
    return Pager(
        services.storage.archive,
        services.queue,
        default_size=settings.page_default,
        max_size=settings.page_max,
        max_bytes=settings.page_max_bytes,
        metrics=services.metrics,
    )


def events_of(settings: WebSettings, services: Services) -> EventReader:
    """Return the reader of events, whose pages have the configured size."""
    return EventReader(
        services.storage,
        services.queue,
        pager_of(settings, services),
        services.journal,
        services.followers,
        services.displayed,
    )
