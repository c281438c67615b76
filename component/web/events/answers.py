"""Answers of the events API, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from component.core.sessions.outgoing import Show
from component.web.archive.answers import Contact, Message, Moment
from component.web.server.operation import Answer, ErrorBody

EventType = Literal["message", "contact", "presence", "displayed", "changed", "request", "failed"]


class ConversationState(Answer):
    """The state of a conversation."""

    peer: str
    unread: int
    last: Message | None


class EventContact(Contact):
    """A contact; `subscription` is "remove" if it was removed."""


class Presence(Answer):
    """The presence of a resource of a contact."""

    jid: str
    available: bool
    show: Show | None
    status: str | None
    priority: int
    since: Moment


class SubscriptionRequest(Answer):
    """A request to see the presence of the user."""

    jid: str
    waits: bool
    status: str | None
    since: Moment


class DisplayedMark(Answer):
    """The last message of a conversation that the user has displayed."""

    peer: str
    id: str
    time: Moment | None = None


class FailedStanza(Answer):
    """A stanza of the user that was refused later."""

    id: str
    peer: str
    type: Literal["message", "subscription"]
    error: str
    message: str | None


class Event(Answer):
    """An event of an account; the key of its type has its value, the others are null."""

    event_id: int
    cursor: str
    type: EventType
    time: Moment | None
    message: Message | None
    contact: EventContact | None
    presence: Presence | None
    displayed: DisplayedMark | None
    request: SubscriptionRequest | None
    failed: FailedStanza | None
    about: str | None
    target: Message | None
    conversation: ConversationState | None


class EventsPage(Answer):
    """A page of events."""

    events: list[Event]
    event_id: int
    cursor: str
    complete: bool
    max_wait: Annotated[int, Field(description="Seconds for which a poll waits at most.")]


class SnapshotPage(Answer):
    """Contacts, presences and conversations at one moment."""

    owner: str
    event_id: int
    cursor: str
    contacts: list[EventContact] | None
    presences: list[Presence]
    requests: list[SubscriptionRequest]
    conversations: list[ConversationState]
    next: str | None
    max_wait: int


class ExpiredCursor(ErrorBody):
    """A cursor that is not known any more, and one that is valid."""

    event_id: int
    cursor: str
