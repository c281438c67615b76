"""Answers of the archive API, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from component.web.server.operation import Answer
from storage.rows import Direction, GapState, Kind

#: A time as this program writes it.
Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        description="A time in UTC with six digits of the second.",
        examples=["2026-01-31T12:00:00.123456Z"],
    ),
]


class Place(Answer):
    """The id and the time of a message."""

    id: str
    time: Moment


class SharedFile(Answer):
    """A file that a message shares over HTTP."""

    url: str
    name: str | None
    type: str | None
    size: int | None


class Edited(Answer):
    """The last correction of a message."""

    time: Moment
    id: str


class Retracted(Answer):
    """The retraction of a message; `by` is a room, or null if the author retracted it."""

    time: Moment
    id: str
    by: str | None
    reason: str | None


class Receipt(Answer):
    """Who has received or displayed a message."""

    by: str
    state: Literal["received", "displayed"]
    time: Moment


class RepliedMessage(Answer):
    """The message that another one replies to; `id` is null if the archive lacks it."""

    id: str | None
    from_: Annotated[str | None, Field(alias="from")]
    body: str | None


class Message(Place):
    """A message; a key is null if the message has no such value."""

    from_: Annotated[str | None, Field(alias="from")]
    to: str | None
    peer: str
    resource: str | None
    direction: Direction
    type: str
    kind: Kind
    message_id: str | None
    subject: str | None
    body: str | None
    file: SharedFile | None
    nick: str | None
    reply_to: RepliedMessage | None
    xml: Annotated[str | None, Field(description="Not with xml=false.")] = None
    edited: Annotated[Edited | None, Field(description="Only with view=folded.")] = None
    retracted: Annotated[Retracted | None, Field(description="Only with view=folded.")] = None
    reactions: Annotated[
        dict[str, list[str]] | None, Field(description="Only with view=folded.")
    ] = None
    receipts: Annotated[list[Receipt] | None, Field(description="Only with view=folded.")] = None
    left_out: Annotated[int | None, Field(description="Only with view=folded.")] = None


class Gap(Answer):
    """A time in which messages may be missing; `to` is null while it lasts."""

    from_: Annotated[Moment, Field(alias="from")]
    to: Moment | None
    reason: str
    state: GapState


class Paged(Answer):
    """A page of a list."""

    next: Annotated[
        str | int | None, Field(description="The position of the next page; null on the last one.")
    ]
    complete: bool


class Summary(Answer):
    """The size of an archive, its first and its last message."""

    owner: str
    count: int
    bytes: int
    first: Place | None
    last: Place | None


class MessagesPage(Paged):
    """A page of messages."""

    messages: list[Message]
    count: int | None
    index: int | None
    gaps: list[Gap]


class Conversation(Answer):
    """A conversation with its last message."""

    peer: str
    count: int
    unread: int | None
    last: Message


class ConversationsPage(Paged):
    """A page of conversations."""

    conversations: list[Conversation]


class Contact(Answer):
    """A contact on a roster."""

    jid: str
    name: str
    subscription: str
    asked: bool
    groups: list[str]


class Roster(Answer):
    """The contacts of a user."""

    owner: str
    contacts: list[Contact]


class Unconfirmed(Answer):
    """A message that was sent, and that is not in the archive yet."""

    id: None
    message_id: str


class EnteredRooms(Answer):
    """The rooms that a user is in."""

    owner: str
    rooms: list[str]
