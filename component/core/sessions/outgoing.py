"""Stanzas that a user sends over HTTP: messages with their payload, presences, room entries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from component.core.messages.files import File
from component.core.xml.jids import bare, local
from component.core.xml.stanza import GROUPCHAT

#: The greatest size of a text in bytes of UTF-8: servers refuse stanzas of some 256 KiB.
BODY_MAX_BYTES = 64 * 1024


class ChatState(StrEnum):
    """Chat states (XEP-0085 section 5.1)."""

    ACTIVE = "active"
    COMPOSING = "composing"
    PAUSED = "paused"
    INACTIVE = "inactive"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """The message that a text answers (XEP-0461)."""

    id: str
    to: str = ""  #: JID of its author; "": not known
    quote: str = ""  #: its text, for clients that do not know replies


@dataclass(frozen=True, slots=True)
class Text:
    """A text."""

    body: str
    file: File | None = None  #: whose address is the body
    reply: ReplyTo | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A text that replaces that of another message (XEP-0308)."""

    id: str  #: message id of the first version
    body: str
    reply: ReplyTo | None = None  #: of the first version, which the correction replaces whole


@dataclass(frozen=True, slots=True)
class Retraction:
    """The retraction of a message (XEP-0424)."""

    id: str


@dataclass(frozen=True, slots=True)
class Reactions:
    """All reactions of the sender to a message (XEP-0444); none removes them."""

    id: str
    reactions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Displayed:
    """The marker that a message, and all before it, were displayed (XEP-0333)."""

    id: str


@dataclass(frozen=True, slots=True)
class Invitations:
    """Invitations that the room, to which they go, passes on (XEP-0045 section 7.8.2)."""

    jids: tuple[str, ...]


#: What a message says.
Payload = Text | Correction | Retraction | Reactions | Displayed | Invitations | ChatState


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that is to be sent."""

    id: str  #: made by the client
    to: str  #: prepared; of a room the bare JID
    type: str  #: chat or groupchat; normal for invitations
    payload: Payload

    @property
    def room(self) -> str | None:
        """The bare JID of the room that it is for, None if it is for a user."""
        return bare(self.to) if self.type == GROUPCHAT else None


class Show(StrEnum):
    """Values of <show/> in presences (RFC 6121 section 4.7.2.1)."""

    AWAY = "away"
    CHAT = "chat"
    DND = "dnd"
    XA = "xa"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPresence:
    """The presence of the user, which the session keeps."""

    id: str
    show: Show | None = None
    status: str = ""
    photo: str | None = None  #: SHA-1 of the avatar (XEP-0153), "": there is none; None: not said

    @property
    def room(self) -> None:
        """It is for no room."""


SubscriptionType = Literal["subscribe", "subscribed", "unsubscribe", "unsubscribed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A presence about a subscription (RFC 6121 section 3)."""

    id: str
    to: str  #: bare JID of a contact
    type: SubscriptionType

    @property
    def room(self) -> None:
        """It is for no room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEntry:
    """The user enters a room."""

    id: str
    room: str  #: bare JID


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An IQ of the user (RFC 6120 section 8.2.3)."""

    id: str
    to: str | None  #: None: the account of the user
    type: Literal["get", "set"]
    payload: str  #: XML of the child element

    @property
    def room(self) -> None:
        """It is for no room that the user has to be in."""


#: What a session sends, each with an id.
Request = Outgoing | OwnPresence | Subscription | RoomEntry | Query


def nick_of(owner: str) -> str:
    """Return the nickname of a user in rooms."""
    return local(owner)
