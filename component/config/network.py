"""The sections about connections: [xmpp], [http] and [public_http]."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from component.config.types import (
    Address,
    AtLeastOne,
    Count,
    Domain,
    ListeningAddress,
    Network,
    Origin,
    Port,
    Prefix,
    Seconds,
    Secret,
    Section,
)
from component.core.ejabberd_options import queries_domain

#: The checks of `muniment doctor` about ejabberd (`core.doctor.checks.SERVER`).
ServerCheck = Literal[
    "virtual-host",
    "global-routes",
    "delegation",
    "privilege-message",
    "copies",
    "mod-mam",
    "rooms",
    "roster",
]


class Xmpp(Section):
    """The connection to ejabberd (XEP-0114)."""

    jid: Domain = Field(
        description="Domain of the component, as named below ejabberd_service in ejabberd.yml."
    )
    hosts: Annotated[tuple[Domain, ...], AtLeastOne] = Field(
        strict=False, description="Virtual hosts of ejabberd whose users' messages are archived."
    )
    address: Address = Field(
        default="127.0.0.1",
        description="Host name or IP address of ejabberd_service. The connection is not "
        "encrypted: use loopback or a private network only.",
    )
    port: Port = Field(default=5275, description="TCP port of ejabberd_service.")
    secret: Secret = Field(
        description="Password of the component, the same as in ejabberd.yml, or file:PATH to "
        "read it from a file."
    )
    max_stanza_bytes: int = Field(
        default=1048576,
        ge=10000,
        le=67108864,
        description="Maximum size of a stanza in bytes. Larger stanzas are ignored.",
    )
    max_stanza_depth: int = Field(
        default=500,
        ge=8,
        le=1000,
        description="Maximum nesting depth of a stanza in elements. Deeper stanzas are ignored.",
    )
    ping_interval_seconds: Seconds = Field(
        default=30.0,
        description="Seconds without traffic on the connection after which ejabberd is pinged.",
    )
    ping_timeout_seconds: Seconds = Field(
        default=20.0,
        description="Seconds to wait for the answer to a ping before reconnecting.",
    )
    reconnect_max_seconds: Seconds = Field(
        default=30.0,
        description="Maximum delay in seconds between two attempts to connect. The first delays "
        "are shorter.",
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=10,
        description="Seconds that a stopping program spends on stanzas that have already arrived.",
    )

    processes: tuple[Domain, ...] = Field(
        default=(),
        strict=False,
        description="Several processes on one PostgreSQL: the domains of all of them, each the "
        "xmpp.jid of one process. Empty: one process.",
    )

    ignored_checks: tuple[ServerCheck, ...] = Field(
        default=(),
        strict=False,
        description="Checks of muniment doctor whose faults are deliberate here. They are neither "
        "logged nor reported.",
    )

    @field_validator("hosts")
    @classmethod
    def _virtual_hosts_only(cls, hosts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuse the component's own domain and duplicates as virtual hosts."""
        jid = info.data.get("jid")
        if jid in hosts:
            raise ValueError(f"{jid} is the component itself (xmpp.jid), not a virtual host")
        if len(set(hosts)) < len(hosts):
            raise ValueError("a virtual host is listed twice")
        return hosts

    @field_validator("processes")
    @classmethod
    def _with_this_one(cls, processes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuse processes without this one, and domains that cannot be told apart."""
        jid, hosts = info.data.get("jid"), info.data.get("hosts", ())
        if not processes or jid is None:
            return processes
        if jid not in processes:
            raise ValueError(f"{jid} is missing, the domain of this process (xmpp.jid)")
        domains = (*processes, *map(queries_domain, processes))
        if len(set(domains)) < len(domains):
            raise ValueError("a process is listed twice")
        for host in hosts:
            if host in domains:
                raise ValueError(f"{host} is a virtual host (xmpp.hosts)")
        return processes

    @property
    def queries_jid(self) -> str:
        """The domain of the connection that gets the delegated queries."""
        return queries_domain(self.jid) if self.processes else self.jid


#: Options of each HTTP listener.
Docs = Annotated[
    bool,
    Field(
        description="Whether the listener serves the OpenAPI document of its APIs at "
        "/openapi.json, and as a page at /docs."
    ),
]
HeaderTimeout = Annotated[
    Seconds, Field(description="Seconds to wait for the header of a request.")
]
BodyTimeout = Annotated[Seconds, Field(description="Seconds to wait for the body of a request.")]
KeepaliveTimeout = Annotated[
    Seconds, Field(description="Seconds after which an idle connection is closed.")
]
BodySize = Annotated[
    int, Field(ge=1024, le=67108864, description="Maximum size of a request body in bytes.")
]
Connections = Annotated[
    Count,
    Field(description="Maximum number of open connections; further connections are refused."),
]
ConnectionsPerAddress = Annotated[
    Count,
    Field(
        description="Maximum number of open connections from one address, from one /64 network "
        "of IPv6, or from this machine. A reverse proxy counts as one address."
    ),
]


class Http(Section):
    """The HTTP server, for servers and operators."""

    enabled: bool = Field(default=True, description="Whether the HTTP server runs.")
    address: ListeningAddress = Field(
        default="127.0.0.1",
        description="Host name, IP address or unix:PATH to listen on. There is no TLS: use a "
        "reverse proxy for anything but loopback.",
    )
    port: Port = Field(default=5281, description="TCP port to listen on.")
    authentication: Literal["secret", "network"] = Field(
        default="secret",
        description="secret: clients send http.secret or the secret of an operator. network: "
        "clients in http.allow_from, except browsers, have all rights of ejabberd.",
    )
    secret: Secret | None = Field(
        default=None,
        validate_default=True,
        description="Secret of ejabberd and of programs with the same rights, or file:PATH to "
        "read it from a file. Required, unless http.enabled is false or "
        'http.authentication is "network".',
    )
    allow_from: Annotated[tuple[Network, ...], AtLeastOne] = Field(
        default=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        strict=False,
        description="Networks and addresses that may connect. Other connections are closed.",
    )
    hosts: tuple[Address, ...] = Field(
        default=(),
        strict=False,
        description="Additional host names and addresses accepted in the Host header of clients "
        "without a secret (http.authentication). The server's own address and the "
        "loopback names are always accepted.",
    )
    prefix: Prefix = Field(default="/api", description='Path prefix of all routes; "" for none.')
    docs: Docs = True
    max_body_bytes: BodySize = 1048576
    header_timeout_seconds: HeaderTimeout = 10.0
    body_timeout_seconds: BodyTimeout = 8.0
    request_timeout_seconds: Seconds = Field(
        default=9.0,
        description="Seconds to answer a request. ejabberd gives up after 10.",
    )
    keepalive_timeout_seconds: KeepaliveTimeout = 75.0
    max_connections: Connections = 1000
    max_connections_per_address: ConnectionsPerAddress = 250
    max_items: Count = Field(
        default=1000, description="Maximum number of items in a request or an answer."
    )
    max_streams: Count = Field(
        default=200,
        description="Maximum number of open live streams and exports; further ones are refused.",
    )
    max_streams_per_caller: Count = Field(
        default=50,
        description="Maximum number of open live streams and exports of one operator, and of "
        "all clients that send http.secret together.",
    )
    stream_heartbeat_seconds: Seconds = Field(
        default=15.0,
        description="Seconds without an event on a live stream after which a heartbeat is sent.",
    )

    @field_validator("secret")
    @classmethod
    def _required_for_authentication(cls, secret: object, info: ValidationInfo) -> object:
        """Require a secret if HTTP is enabled and authenticates by secret."""
        is_required = info.data.get("enabled") and info.data.get("authentication") == "secret"
        if is_required and secret is None:
            raise ValueError('required, but missing (http.authentication is "secret")')
        return secret

    @field_validator("allow_from")
    @classmethod
    def _not_everybody_without_secret(
        cls, networks: tuple[Network, ...], info: ValidationInfo
    ) -> tuple[Network, ...]:
        """Refuse networks that contain all addresses if there is no other authentication."""
        trusted = info.data.get("authentication") == "network"
        if trusted and any(network.prefixlen == 0 for network in networks):
            raise ValueError(
                'would give everybody all rights while http.authentication is "network"'
            )
        return networks


class PublicHttp(Section):
    """A second HTTP listener, for end users; it serves nothing for servers or operators."""

    enabled: bool = Field(
        default=False,
        description="Whether the listener runs. Users sign in there if tokens.key_file is set.",
    )
    address: ListeningAddress = Field(
        default="127.0.0.1",
        description="Host name, IP address or unix:PATH to listen on. There is no TLS: use a "
        "reverse proxy for anything but loopback. Connections from all addresses "
        "are accepted.",
    )
    port: Port = Field(
        default=5282, description="TCP port to listen on; it has to differ from http.port."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Networks and addresses of reverse proxies whose X-Forwarded-For is believed. "
        "Limits of guesses and of connections then count for the address of the user. A listener "
        "on a Unix socket believes the header if the list is not empty.",
    )
    cors_origins: tuple[Origin, ...] = Field(
        default=(),
        strict=False,
        description="Origins whose pages may call the listener from a browser, such as "
        "https://chat.example. Pages that a proxy serves at the same origin as the listener need "
        "none.",
    )
    docs: Docs = True
    max_body_bytes: BodySize = 262144
    header_timeout_seconds: HeaderTimeout = 10.0
    body_timeout_seconds: BodyTimeout = 8.0
    request_timeout_seconds: Seconds = Field(
        default=9.0, description="Seconds to answer a request."
    )
    keepalive_timeout_seconds: KeepaliveTimeout = 75.0
    max_connections: Connections = 1000
    max_connections_per_address: ConnectionsPerAddress = 250
    max_streams: Count = Field(
        default=1000,
        description="Maximum number of open live streams of all users; further ones are refused.",
    )
    max_streams_per_user: Count = Field(
        default=20, description="Maximum number of open live streams of one user."
    )
    max_polls: Count = Field(
        default=5000,
        description="Maximum number of polls of all users that wait for events; further ones are "
        "refused.",
    )
    max_polls_per_user: Count = Field(
        default=20, description="Maximum number of polls of one user that wait for events."
    )
    poll_seconds: Annotated[int, Field(ge=1, le=55)] = Field(
        default=50,
        description="Maximum number of seconds that a poll waits for an event. Many proxies close "
        "connections that are silent for a minute.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, networks: tuple[Network, ...]) -> tuple[Network, ...]:
        """Refuse networks that contain all addresses."""
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("would let everybody choose the address that limits count for")
        return networks
