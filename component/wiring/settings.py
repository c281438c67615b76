"""Take the values for each part of the program from the configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from component.clients.other_servers import CHECK_SECONDS, OtherServers
from component.clients.vetted_addresses import VettedAddresses
from component.config import Config, Http, PublicHttp, Retention
from component.core.access.audit_retention import AuditRetention
from component.core.access.principals import Operator, Role
from component.core.accounts.protocol import AccountSource
from component.core.accounts.throttle import Throttled
from component.core.archiving.other_accounts import OtherAccounts
from component.core.archiving.policy import Policy
from component.core.archiving.preferences import HostRules
from component.core.chat.settings import ChatSettings
from component.core.doctor.facts import Needs
from component.core.gateway.settings import GatewaySettings
from component.core.hosts import Hosts
from component.core.retention.janitor import Timing
from component.core.retention.plan import RetentionDefaults, RetentionLimits
from component.core.sessions.credentials import Credentials
from component.core.sessions.servers import NONE, OpenedServers
from component.core.tokens.access_tokens import AccessTokens
from component.core.tokens.sign_ins import SignIns
from component.core.xml.jids import Jids
from component.handlers.functions import Handlers
from component.handlers.loading import load
from component.sessions.manager import SessionManager, SessionSettings
from component.sessions.session import OnChange
from component.web.drf.settings import BpoChatSettings, CondorChatSettings
from component.web.server.settings import (
    EVERYBODY,
    Listener,
    ListenerSettings,
    PageSettings,
    WebSettings,
)
from component.wiring import token_key
from component.wiring.take_over.channel import socket_path
from component.xmpp.connection.connector import Connector, Timeouts
from component.xmpp.connection.stream import Stream
from storage.interface import Storage
from storage.postgres.options import PostgresOptions
from storage.spill import Spill
from storage.sqlite.engine.database import MEMORY
from storage.sqlite.open import SQLITE

SPARE_SECONDS = 2.0

#: Seconds that a refused sign-in takes where other servers are open, whatever its reason: longer
#: than the check of a password, and shorter than a request.
REFUSAL_SECONDS = CHECK_SECONDS + 0.5

#: Where ejabberd_c2s is if nothing else is configured.
LOOPBACK = "127.0.0.1"


def stream(config: Config) -> Stream:
    """Return a stream that is not connected yet."""
    return Stream(
        config.xmpp.jid,
        config.xmpp.secret.get_secret_value(),
        max_stanza_bytes=config.xmpp.max_stanza_bytes,
        max_stanza_depth=config.xmpp.max_stanza_depth,
    )


def queries_stream(config: Config, own: Stream) -> Stream:
    """Return the stream that gets the delegated queries: of several processes one of its own."""
    if not config.xmpp.processes:
        return own
    return Stream(
        config.xmpp.queries_jid,
        config.xmpp.secret.get_secret_value(),
        max_stanza_bytes=config.xmpp.max_stanza_bytes,
        max_stanza_depth=config.xmpp.max_stanza_depth,
    )


def connection(config: Config, stream: Stream) -> Connector:
    """Return the connector that keeps a stream connected."""
    return Connector(
        stream, config.xmpp.address, config.xmpp.port, config.xmpp.hosts[0], timeouts(config)
    )


def timeouts(config: Config) -> Timeouts:
    """Return the waiting times of a connection to ejabberd."""
    return Timeouts(
        ping_interval=config.xmpp.ping_interval_seconds,
        ping_timeout=config.xmpp.ping_timeout_seconds,
        reconnect_max=config.xmpp.reconnect_max_seconds,
        drain=config.xmpp.drain_seconds,
    )


def handlers(config: Config) -> Handlers:
    """Return the functions of the operator's module. Raises HandlersError."""
    module = config.handlers.module
    if not module:
        return Handlers()
    return load(
        module,
        folder=Path(config.handlers.path),
        threads=config.handlers.threads,
        several_hosts=len(config.xmpp.hosts) > 1,
    )


def take_over_socket(config: Config) -> Path | None:
    """Return the socket by which another process takes over, None if the store is no file."""
    path = config.storage.url.removeprefix(SQLITE)
    if config.storage.is_postgresql or path == MEMORY:
        return None
    return socket_path(Path(path).resolve())


def spill(config: Config) -> Spill | None:
    """Return the spill file of the store, None if the store is in memory."""
    if config.storage.is_postgresql:
        return Spill(Path(config.storage.spill), reserve=config.archive.queue_bytes)
    path = config.storage.url.removeprefix(SQLITE)
    if path == MEMORY:
        return None
    return Spill(Path(f"{path}-spill"), reserve=config.archive.queue_bytes)


def postgres(config: Config, *, alone: bool = False) -> PostgresOptions:
    """Return the options of a store in PostgreSQL.

    `alone` is for commands that need the store alone, also where several processes share it.
    """
    storage = config.storage
    return PostgresOptions(
        password=storage.password.get_secret_value() if storage.password else None,
        connections=storage.connections,
        connect=storage.connect_seconds,
        statement=storage.statement_seconds,
        statement_cache=storage.statement_cache,
        partitions=storage.partitions,
        process=config.xmpp.jid if config.xmpp.processes and not alone else None,
        is_synchronous=storage.synchronous == "full",
    )


def policy(config: Config) -> Policy:
    """Return the policy, which decides about messages without text and those of rooms."""
    return Policy(
        groupchat=config.archive.groupchat,
        receipts=config.archive.receipts,
        markers=config.archive.markers,
    )


def rules(config: Config, addresses: Jids) -> Mapping[str, HostRules]:
    """Return the operators' rules for the users of each virtual host."""
    options = {host: config.archive_of(host) for host in config.xmpp.hosts}
    return {
        host: HostRules(
            default=archive.default, never=frozenset(map(addresses.prepare, archive.never))
        )
        for host, archive in options.items()
    }


def operators(config: Config, addresses: Jids) -> tuple[Operator, ...]:
    """Return the operators, with prepared JIDs."""
    return tuple(
        Operator(
            name=name,
            role=Role(operator.role),
            jid=addresses.prepare(operator.jid) if operator.jid else None,
            secret=operator.secret.get_secret_value() if operator.secret else None,
        )
        for name, operator in config.operators.items()
    )


def needs(config: Config, handlers: Handlers) -> Needs:
    """Return what ejabberd has to grant for this configuration."""
    are_rosters_asked = config.rosters.source == "ejabberd" and not handlers.retrieve_user_roster
    return Needs(
        rosters=are_rosters_asked,
        roster_default=any(
            config.archive_of(host).default == "roster" for host in config.xmpp.hosts
        ),
        processes=config.xmpp.processes,
        backfill=config.backfill.source != "none",
        ignored=frozenset(config.xmpp.ignored_checks),
    )


def opened_servers(config: Config) -> OpenedServers:
    """Return the other servers whose users may sign in."""
    if not config.sessions.enabled:
        return NONE
    own = (
        config.xmpp.jid,
        *config.xmpp.processes,
        *config.xmpp.hosts,
        *config.archive.room_services,
    )
    return OpenedServers(config.sessions.servers, own)


def other_servers(config: Config) -> OtherServers | None:
    """Return the logins to other servers, None where none is open."""
    opened, options = opened_servers(config), config.sessions
    if not opened:
        return None
    addresses = VettedAddresses(
        options.allowed_networks,
        nameservers=options.name_servers,
        port=options.name_server_port,
    )
    return OtherServers(opened, addresses)


def sign_ins(
    config: Config,
    storage: Storage,
    accounts: AccountSource,
    credentials: Credentials,
    others: OtherServers | None,
) -> SignIns | None:
    """Return the sign-ins of users, None if users cannot sign in. Raises OSError.

    `credentials` remember the passwords if there are sessions to log in.
    """
    options = config.tokens
    if options.key_file is None:
        return None
    key = token_key.load(Path(options.key_file))
    return SignIns(
        storage.sign_ins,
        AccessTokens(key, lifetime_seconds=options.access_seconds),
        accounts.authenticator,
        Hosts(config.xmpp.hosts),
        refresh_days=options.refresh_days,
        on_password=credentials.remember if config.sessions.enabled else None,
        others=others and Throttled(others),
        is_usable=credentials.is_usable,
        refusal_seconds=REFUSAL_SECONDS if others else 0.0,
    )


def c2s(config: Config) -> tuple[str, int]:
    """Return the address and the port of ejabberd_c2s."""
    options, accounts = config.sessions, config.accounts
    address = options.address or accounts.login_address or LOOPBACK
    return address, options.port or accounts.login_port


def sessions(
    config: Config,
    sign_ins: SignIns | None,
    credentials: Credentials,
    on_change: OnChange,
    others: OtherServers | None,
    other_archives: OtherAccounts,
) -> SessionManager | None:
    """Return the sessions of users, None where there are none."""
    options = config.sessions
    if sign_ins is None or not options.enabled:
        return None
    address, port = c2s(config)
    where = SessionSettings(
        address=address,
        port=port,
        max=options.max,
        max_other=options.max_other,
        idle_seconds=options.idle_seconds,
    )
    hosts = Hosts(config.xmpp.hosts)
    return SessionManager(
        where,
        hosts,
        credentials,
        sign_ins.access_token,
        on_change,
        others=others,
        other_archives=other_archives,
    )


def retention_defaults(config: Config) -> RetentionDefaults:
    """Return the retention limits of archives without a rule."""
    return RetentionDefaults(
        hosts={host: _limits(config.retention_of(host)) for host in config.xmpp.hosts},
        others=_limits(config.retention),
    )


def _limits(retention: Retention) -> RetentionLimits:
    return RetentionLimits(days=retention.days, messages=retention.messages, bytes=retention.bytes)


def timing(config: Config) -> Timing:
    """Return the timing of purges."""
    return Timing(
        sweep_seconds=config.retention.sweep_seconds,
        batch=config.retention.batch,
    )


def audit_retention(config: Config, storage: Storage) -> AuditRetention:
    """Return the deletion of old calls of ejabberd's API from the audit log."""
    return AuditRetention(
        storage.audit_log,
        days=config.ejabberd_api.audit_days,
        sweep_seconds=config.retention.sweep_seconds,
    )


def listeners(config: Config) -> Iterator[Listener]:
    """Yield the enabled HTTP listeners."""
    if config.http.enabled:
        yield Listener.PRIVATE
    if config.public_http.enabled:
        yield Listener.PUBLIC


def web(config: Config, operators: Collection[Operator]) -> WebSettings:
    """Return the settings of the HTTP server."""
    http = config.http
    return WebSettings(
        **_listener(http),
        public=ListenerSettings(
            section=Listener.PUBLIC,
            allow_from=EVERYBODY,
            trusted_proxies=config.public_http.trusted_proxies,
            cors_origins=config.public_http.cors_origins,
            max_streams=config.public_http.max_streams,
            max_streams_per_caller=config.public_http.max_streams_per_user,
            **_listener(config.public_http),
        ),
        allow_from=http.allow_from,
        secret=http.secret.get_secret_value() if http.secret else None,
        trusts_network=http.authentication == "network",
        operators=operators,
        hosts=http.hosts,
        prefix=http.prefix,
        ejabberd_api_prefix=config.ejabberd_api.prefix,
        max_items=http.max_items,
        page_default=config.archive.page_default,
        page_max=config.archive.page_max,
        page_max_bytes=config.archive.page_max_bytes,
        max_streams=http.max_streams,
        max_streams_per_caller=http.max_streams_per_caller,
        max_polls=config.public_http.max_polls,
        max_polls_per_user=config.public_http.max_polls_per_user,
        poll_seconds=config.public_http.poll_seconds,
        stream_heartbeat_seconds=http.stream_heartbeat_seconds,
        count_as_string=config.remote_data.count_as_string,
        roster_details=config.rosters.details,
        gateway=GatewaySettings(**config.gateway.model_dump(exclude={"enabled"})),
        pages=PageSettings(**config.pages.model_dump()),
        condor_chat=CondorChatSettings(**config.condor_chat.model_dump(exclude={"enabled"}))
        if config.condor_chat.enabled
        else None,
        bpo_chat=BpoChatSettings(**config.bpo_chat.model_dump(exclude={"enabled"}))
        if config.bpo_chat.enabled
        else None,
    )


def chat(config: Config, addresses: Jids) -> ChatSettings:
    """Return the settings of chat."""
    return ChatSettings(
        **config.chat.model_dump(exclude={"enabled"}), reserved=reserved(config, addresses)
    )


def reserved(config: Config, addresses: Jids) -> frozenset[str]:
    """Return the JIDs that nobody may sign up, because they have rights."""
    with_rights = (
        *(operator.jid for operator in config.operators.values()),
        *config.ejabberd_api.admins,
        *config.ejabberd_api.services,
        config.accounts.api_user,
    )
    return frozenset(addresses.prepare(jid) for jid in with_rights if jid)


def _listener(http: Http | PublicHttp) -> dict[str, Any]:
    """Return the options that both listeners have, by their names in ListenerSettings."""
    return {
        "address": http.address,
        "port": http.port,
        "docs": http.docs,
        "max_body_bytes": http.max_body_bytes,
        "header_timeout_seconds": http.header_timeout_seconds,
        "body_timeout_seconds": http.body_timeout_seconds,
        "request_timeout_seconds": http.request_timeout_seconds,
        "keepalive_timeout_seconds": http.keepalive_timeout_seconds,
        "max_connections": http.max_connections,
        "max_connections_per_address": http.max_connections_per_address,
    }
