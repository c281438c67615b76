"""The sections of what Muniment speaks to others by: XMPP and HTTP."""

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
    Port,
    Prefix,
    Seconds,
    Secret,
    Section,
)


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
        description="Host name or IP address of ejabberd_service. Not encrypted: loopback "
        "or a private network only.",
    )
    port: Port = Field(default=5275, description="TCP port of ejabberd_service.")
    secret: Secret = Field(
        description="Password of the component, the same as in ejabberd.yml, or file:PATH to read "
        "it from a file."
    )
    max_stanza_bytes: int = Field(
        default=1048576,
        ge=10000,
        le=67108864,
        description="Largest stanza taken, in bytes. A larger one is left out.",
    )
    max_stanza_depth: int = Field(
        default=500,
        ge=8,
        le=1000,
        description="Deepest nesting taken, in elements. A deeper stanza is left out.",
    )
    ping_interval_seconds: Seconds = Field(
        default=30.0,
        description="Silence on the connection, in seconds, after which ejabberd is pinged.",
    )
    ping_timeout_seconds: Seconds = Field(
        default=20.0,
        description="Time to answer that ping, in seconds. Otherwise the connection restarts.",
    )
    reconnect_max_seconds: Seconds = Field(
        default=30.0,
        description="Longest wait between two attempts to connect, in seconds. The first attempts "
        "follow each other faster.",
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=10,
        description="Time, in seconds, to finish what has arrived when the program is stopped.",
    )

    @field_validator("hosts")
    @classmethod
    def _virtual_hosts_only(cls, hosts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Keep the component's own domain, and repetitions, out of the virtual hosts."""
        jid = info.data.get("jid")
        if jid in hosts:
            raise ValueError(f"{jid} is the component itself (xmpp.jid), not a virtual host")
        if len(set(hosts)) < len(hosts):
            raise ValueError("a virtual host is named twice")
        return hosts


class Http(Section):
    """The HTTP server, for servers and operators."""

    enabled: bool = Field(default=True, description="Whether there is an HTTP server at all.")
    address: ListeningAddress = Field(
        default="127.0.0.1",
        description="Host name, IP address or unix:PATH to listen on. No TLS: anything but "
        "loopback wants a reverse proxy in front.",
    )
    port: Port = Field(default=5281, description="TCP port to listen on.")
    authentication: Literal["secret", "network"] = Field(
        default="secret",
        description="secret: callers show http.secret, or the secret of an operator. network: "
        "whoever calls from http.allow_from is trusted like ejabberd, except browsers.",
    )
    secret: Secret | None = Field(
        default=None,
        validate_default=True,
        description="What ejabberd, and programs trusted like it, have to show, or file:PATH to "
        "read it from a file. Required, unless http.enabled is false or http.authentication is "
        '"network".',
    )
    allow_from: Annotated[tuple[Network, ...], AtLeastOne] = Field(
        default=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        strict=False,
        description="Networks and addresses whose connections are taken. All others are closed.",
    )
    hosts: tuple[Address, ...] = Field(
        default=(),
        strict=False,
        description="Further host names and addresses by which callers that show no secret name "
        "this server (http.authentication). Its own address and the loopback names always count.",
    )
    prefix: Prefix = Field(
        default="/api", description='Path below which all is served; "" serves it at the root.'
    )
    max_body_bytes: int = Field(
        default=1048576, ge=1024, le=67108864, description="Largest request body taken, in bytes."
    )
    header_timeout_seconds: Seconds = Field(
        default=10.0, description="Time for the head of a request to arrive, in seconds."
    )
    body_timeout_seconds: Seconds = Field(
        default=8.0, description="Time for the body of a request to arrive, in seconds."
    )
    request_timeout_seconds: Seconds = Field(
        default=9.0,
        description="Time for a request to be answered, in seconds. ejabberd gives up after 10.",
    )
    keepalive_timeout_seconds: Seconds = Field(
        default=75.0, description="Time an idle connection is kept open, in seconds."
    )
    max_connections: Count = Field(
        default=1000, description="Most connections open at once; further ones are turned away."
    )
    max_connections_per_address: Count = Field(
        default=250,
        description="Most connections open at once from one address, from one /64 network of "
        "IPv6, or from this machine. A reverse proxy counts as one address.",
    )
    max_items: Count = Field(default=1000, description="Most items in one request or one answer.")
    max_streams: Count = Field(
        default=200,
        description="Most live streams and exports open at once; further ones are turned away.",
    )
    max_streams_per_caller: Count = Field(
        default=50,
        description="Most live streams and exports open at once of one caller: of an operator, or "
        "of those together who show http.secret.",
    )
    stream_heartbeat_seconds: Seconds = Field(
        default=15.0,
        description="Silence on a live stream, in seconds, after which a sign of life is sent.",
    )

    @field_validator("secret")
    @classmethod
    def _required_when_asked_for(cls, secret: object, info: ValidationInfo) -> object:
        """Refuse to serve behind a secret that nobody has set."""
        asked_for = info.data.get("enabled") and info.data.get("authentication") == "secret"
        if asked_for and secret is None:
            raise ValueError('required, but missing (http.authentication is "secret")')
        return secret

    @field_validator("allow_from")
    @classmethod
    def _not_everybody_without_secret(
        cls, networks: tuple[Network, ...], info: ValidationInfo
    ) -> tuple[Network, ...]:
        """Refuse the whole internet where the network is all that is asked for."""
        trusted = info.data.get("authentication") == "network"
        if trusted and any(network.prefixlen == 0 for network in networks):
            raise ValueError('would trust everybody while http.authentication is "network"')
        return networks


class PublicHttp(Section):
    """A second HTTP listener, for end users: nothing for servers or operators is on it."""

    enabled: bool = Field(
        default=False,
        description="Whether there is one. So far it answers GET /health/live and nothing else.",
    )
    address: ListeningAddress = Field(
        default="127.0.0.1",
        description="Host name, IP address or unix:PATH to listen on. No TLS: anything but "
        "loopback wants a reverse proxy in front. Connections from anywhere are taken.",
    )
    port: Port = Field(default=5282, description="TCP port to listen on; not that of http.port.")
    max_body_bytes: int = Field(
        default=262144, ge=1024, le=67108864, description="Largest request body taken, in bytes."
    )
    header_timeout_seconds: Seconds = Field(
        default=10.0, description="Time for the head of a request to arrive, in seconds."
    )
    body_timeout_seconds: Seconds = Field(
        default=8.0, description="Time for the body of a request to arrive, in seconds."
    )
    request_timeout_seconds: Seconds = Field(
        default=9.0, description="Time for a request to be answered, in seconds."
    )
    keepalive_timeout_seconds: Seconds = Field(
        default=75.0, description="Time an idle connection is kept open, in seconds."
    )
    max_connections: Count = Field(
        default=1000, description="Most connections open at once; further ones are turned away."
    )
    max_connections_per_address: Count = Field(
        default=250,
        description="Most connections open at once from one address, from one /64 network of "
        "IPv6, or from this machine. A reverse proxy counts as one address.",
    )
