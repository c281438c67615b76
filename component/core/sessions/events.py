"""Everything that can happen to a client session: the input of its machine."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.sessions.outgoing import ChatState, Request


@dataclass(frozen=True, slots=True)
class Used:
    """A request of the user needs the session."""


@dataclass(frozen=True, slots=True)
class DeferReceipts:
    """From now on a program of the user acknowledges messages as it reads them."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The stream is ready for stanzas."""

    is_resumed: bool = False  #: the server kept the session (XEP-0198): nothing was lost


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The server accepts none of the credentials."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection is lost, or could not be made."""


@dataclass(frozen=True, slots=True)
class PauseEnded:
    """The pause of a `Wait` is over."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Some time has passed."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The session has to end."""


@dataclass(frozen=True, slots=True)
class Send:
    """The user sends a message or a presence, or enters a room."""

    message: Request


@dataclass(frozen=True, slots=True)
class Answered:
    """The server has answered what was sent behind the message of this id, or the IQ itself."""

    id: str
    result: str = ""  #: of an IQ: the XML of its result


@dataclass(frozen=True, slots=True)
class QueryRefused:
    """An IQ was answered with an error, or with nothing in time."""

    id: str
    sender: str  #: of the error, "" without one
    condition: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Bounced:
    """A message came back with an error (RFC 6120 section 8.3)."""

    id: str
    sender: str  #: who refused it
    condition: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """Nobody waits for the message of this id any more, whether or not the server has it."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterItem:
    """A contact came with the roster, or has changed (RFC 6121 section 2.1)."""

    jid: str
    name: str = ""
    subscription: str = "none"  #: none, to, from, both, or remove
    is_asked: bool = False
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RosterReceived:
    """The whole roster came."""

    items: tuple[RosterItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceOf:
    """A presence of a user (RFC 6121 section 4.7)."""

    jid: str  #: full or bare
    type: str = "available"  #: or unavailable, subscribe, subscribed, unsubscribe, unsubscribed
    show: str = ""  #: away, chat, dnd, xa, or "" for online
    status: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PresencesCame:
    """The contacts that are available have had the time to send their presence after a login."""


@dataclass(frozen=True, slots=True)
class RoomEntered:
    """The user is in a room."""

    room: str


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """The user is no longer in a room, or was not let in."""

    room: str
    condition: str = "not-acceptable"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message arrived, at this session or at another one of the user (a carbon)."""

    sender: str  #: full JID
    type: str = "chat"
    id: str = ""
    asks_receipt: bool = False  #: XEP-0184
    receipt_for: str = ""  #: id of the message that this receipt is for
    chat_state: ChatState | None = None
    is_carbon: bool = False  #: XEP-0280


@dataclass(frozen=True, slots=True)
class PresenceBounced:
    """A presence came back with an error."""

    sender: str  #: bare JID of the entity that refused it
    condition: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A program of the user has read a message whose sender asks for a receipt (XEP-0184)."""

    sender: str  #: full JID
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeContact:
    """The user adds a contact, or changes its name; None: the name stays as it is."""

    jid: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveContact:
    """The user removes a contact, and with it both subscriptions (RFC 6121 section 2.5)."""

    jid: str


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    """The user leaves a room."""

    room: str


Event = (
    Used
    | DeferReceipts
    | LoggedIn
    | LoginRefused
    | ConnectionLost
    | PauseEnded
    | Ticked
    | Closed
    | Send
    | Answered
    | QueryRefused
    | Bounced
    | Settled
    | RosterItem
    | RosterReceived
    | PresenceOf
    | PresencesCame
    | RoomEntered
    | RoomLeft
    | Received
    | Acknowledge
    | ChangeContact
    | RemoveContact
    | PresenceBounced
    | LeaveRoom
)
