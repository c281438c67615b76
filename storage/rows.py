"""The data that crosses the storage contract: frozen, named, free of any driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Direction(StrEnum):
    """Which way a message went, seen by the owner of the archive."""

    SENT = "send"
    RECEIVED = "recv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One stanza on its way into one owner's archive."""

    owner: str  #: bare JID of the archive, prepared
    at: int  #: when the server took the message, microseconds since the epoch, UTC
    peer: str  #: bare JID of the other side
    resource: str  #: resource of the other side, "" when there was none
    type: str  #: message type as RFC 6121 names it: chat, normal, groupchat, headline
    direction: Direction
    xml: str  #: the whole stanza, one well-formed element that stands alone
    origin: bytes  #: 16 bytes that are the same for every copy of this message in this archive
    #: origins that the same message may have been stored under before (copies without an id)
    twins: tuple[bytes, bytes] | None = None
    nick: str = ""  #: nickname of a room occupant where the caller gave one


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A message that turned out never to have been delivered: take it out again."""

    owner: str
    origin: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One stanza in one owner's archive."""

    id: str  #: the public id: opaque, unpredictable, unique for ever
    at: int  #: microseconds since the epoch, UTC
    peer: str
    resource: str
    type: str
    direction: Direction
    xml: str
    nick: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which messages of an archive are wanted; None means any."""

    peer: str | None = None  #: bare JID
    resource: str | None = None  #: only with `peer`: exactly this resource
    #: local part of the other side, whatever its domain (Remote Data); not together with `peer`
    peer_local: str | None = None
    since: int | None = None  #: inclusive, microseconds
    until: int | None = None  #: inclusive, microseconds
    groupchat: bool | None = None  #: True: only groupchat; False: all but groupchat


ANY = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Messages in archive order, oldest first."""

    messages: tuple[Stored, ...] = field(default=())
    complete: bool = True  #: nothing more in the direction that was asked for
