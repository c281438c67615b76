"""Answers of the gateway, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Literal

from component.web.server.operation import Answer


class GatewayFault(Answer):
    """The name of an error, and a sentence about it."""

    code: str
    text: str


class GatewayError(Answer):
    """A refusal or a fault, in the form of REST-XMPP-Client."""

    error: GatewayFault


class Nothing(Answer):
    """An empty object."""


class NewSession(Answer):
    """A session and its token; `push_secret` signs pushes, if there are any."""

    session_id: str
    token: str
    jid: str
    push_secret: str | None = None


class SessionStart(Answer):
    """A new session."""

    session: NewSession


class SessionState(Answer):
    """A session."""

    session_id: str
    jid: str
    should_send_message_body: bool


class Session(Answer):
    """A session."""

    session: SessionState


class SessionId(Answer):
    """The id of a session."""

    session_id: str


class Notification(Answer):
    """The session in which something has changed."""

    session: SessionId


class ContactState(Answer):
    """A contact, or somebody who asks to see the presence of the user."""

    id: str
    jid: str
    name: str
    show: Literal["offline", "online", "away", "chat", "dnd", "xa"]
    status: str | None
    authorization: Literal["none", "requested", "granted"]
    read_offset: int
    subscription: str
    ask: str | None
    event_id: int
    groups: list[str]
    timestamp: float


class OneContact(Answer):
    """One contact."""

    contact: ContactState


class Contacts(Answer):
    """Contacts."""

    contacts: list[ContactState]


class ChangedContacts(Contacts):
    """Contacts that have changed behind an offset, and the offset behind them."""

    offset: int | float


class MessageState(Answer):
    """A text that the user has sent or received."""

    event_id: int
    inbound: bool
    text: str
    timestamp: float
    contact_id: str
    message_id: str | int
    delivered: bool
    delivery_receipt_asked: bool


class Messages(Answer):
    """Messages."""

    messages: list[MessageState]


class ChangedMessages(Messages):
    """Messages behind an offset, and the offset behind them."""

    offset: int | float
    more: bool


class Feed(ChangedMessages):
    """Contacts and messages behind an offset, and the offset behind them."""

    contacts: list[ContactState]


class Memory(Answer):
    """An amount of memory."""

    value: float
    units: Literal["B", "kB", "MB", "GB", "TB"]


class ServerStatus(Answer):
    """The number of sessions, users and connections, and the memory of the process."""

    im_sessions: int
    im_clients: int
    xmpp_clients: int
    memory: Memory
    threads: int
