"""The settings of the REST gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What an offset counts: events, as the source of REST-XMPP-Client has it, or seconds, as its
#: README has it.
Offsets = Literal["event_id", "timestamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The settings; those that help old clients are marked."""

    prefix: str = ""  #: of all paths
    idle_days: int = 30  #: after which an unused session expires
    max_sessions: int = 10_000  #: of all accounts
    page_max: int = 500  #: messages in one answer
    servers: tuple[str, ...] = ()  #: further names of our own server, for `server`
    offsets: Offsets = "event_id"  #: old clients
    changes_by_get: bool = False  #: old clients: GET may delete and authorize
    missing_token_status: int = 401  #: old clients expect 502
    unchanged_status: int = 200  #: of a notification without a change; old clients: 404
    public_status: bool = False  #: old clients: everybody may read /server-status
