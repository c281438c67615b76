"""What a session machine wants done: its output."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.sessions.events import PresenceOf, RosterItem
from component.core.sessions.outgoing import (
    ChatState,
    Outgoing,
    OwnPresence,
    Query,
    Subscription,
)


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect and log in."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Report `PauseEnded` after a pause."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the stream; the session is over and reports nothing more."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Get the roster, switch carbons on (XEP-0280), and send presence."""

    presence: OwnPresence | None = None  #: None: available, and nothing else


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send a stanza, and behind it a request to the server whose answer is `Answered`."""

    message: Outgoing | OwnPresence | Subscription


@dataclass(frozen=True, slots=True)
class Ask:
    """Send an IQ, whose response is `Answered` or `QueryRefused`."""

    query: Query


@dataclass(frozen=True, slots=True)
class Join:
    """Enter a room that exists (XEP-0045 section 7.2), without its history."""

    room: str
    nick: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave a room."""

    room: str
    nick: str


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """Acknowledge a message (XEP-0184)."""

    to: str
    id: str


@dataclass(frozen=True, slots=True)
class SetContact:
    """Set a contact on the roster (RFC 6121 section 2.3)."""

    jid: str
    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveContact:
    """Remove a contact from the roster (RFC 6121 section 2.5)."""

    jid: str


@dataclass(frozen=True, slots=True)
class Succeed:
    """The server took the stanza of this id, or the room is entered; a `Fail` may follow."""

    id: str
    result: str = ""  #: of an IQ: the XML of its result


@dataclass(frozen=True, slots=True)
class Fail:
    """The stanza of this id was not delivered, or the room not entered."""

    id: str
    condition: str  #: RFC 6120 section 8.3.3
    text: str
    by: str = ""  #: JID of the entity that refused it; "": the session itself


@dataclass(frozen=True, slots=True)
class ChatStateOf:
    """A contact, or an occupant of a room, has this chat state (XEP-0085)."""

    jid: str  #: bare JID of the contact or of the room
    state: ChatState
    nick: str = ""  #: of the occupant of a room


@dataclass(frozen=True, slots=True)
class ReceiptOf:
    """A contact has received the message of this id (XEP-0184)."""

    jid: str
    id: str


@dataclass(frozen=True, slots=True)
class RefusalOf:
    """A stanza of the user was refused after its sender had an answer."""

    id: str
    jid: str  #: bare JID to which it was sent
    is_message: bool
    condition: str
    text: str


@dataclass(frozen=True, slots=True)
class PresencesAre:
    """These full JIDs are available, and no others: those who left meanwhile sent nothing."""

    jids: frozenset[str]


#: Changes that a client of the user may want to know.
Change = RosterItem | PresenceOf | PresencesAre | ChatStateOf | ReceiptOf | RefusalOf


@dataclass(frozen=True, slots=True)
class Notify:
    """Something has changed that a client of the user may want to know."""

    change: Change


Command = (
    Connect
    | Wait
    | Disconnect
    | Announce
    | Transmit
    | Ask
    | Join
    | Leave
    | SendReceipt
    | SetContact
    | RemoveContact
    | Succeed
    | Fail
    | Notify
)
