"""Answers of the chat API, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Literal

from component.core.sessions.outgoing import ChatState, Show
from component.web.archive.answers import Gap, Message, Moment, Paged
from component.web.events.answers import (
    DisplayedMark,
    EventContact,
    EventType,
    FailedStanza,
    Presence,
    SubscriptionRequest,
)
from component.web.server.operation import Answer, ErrorBody

Affiliation = Literal["owner", "admin", "member"]


class ChatMessage(Message):
    """A message and its author; `author` is null in a room if that is no user of this server."""

    author: str | None


class Availability(Answer):
    """The presence of a contact."""

    show: Show | None
    status: str | None


class ChatConversation(Answer):
    """A conversation of the user."""

    jid: str
    type: Literal["room", "direct"]
    name: str
    avatar: str | None
    unread: int
    displayed: str | None
    last: ChatMessage | None


class ListedConversation(ChatConversation):
    """A conversation of the user, with the presence of the other side."""

    presence: Availability | None


class ConversationList(Paged):
    """A page of conversations."""

    conversations: list[ListedConversation]


class ChatMessages(Answer):
    """Messages of a conversation in the order of arrival."""

    messages: list[ChatMessage]
    complete: bool
    previous: str | None
    next: str | None
    gaps: list[Gap]


class ChatHit(Answer):
    """A message that was found, and the messages around it in its conversation."""

    jid: str
    type: Literal["room", "direct"]
    name: str
    message: ChatMessage
    before: list[ChatMessage]
    after: list[ChatMessage]


class ChatHits(Answer):
    """What was found, the newest first; `next` is the time to go on before."""

    hits: list[ChatHit]
    complete: bool
    next: Moment | None


class ChatUser(Answer):
    """A user, as others see it; `avatar` is the id of an image."""

    jid: str
    name: str
    avatar: str | None


class UserList(Answer):
    """Users whose address or name has a text."""

    users: list[ChatUser]


class AvatarId(Answer):
    """The id of the new avatar."""

    avatar: str


class SignUpRules(Answer):
    """Whether strangers may create accounts, and how."""

    allowed: bool
    domain: str
    password_min: int
    password_max: int


class Member(Answer):
    """A member of a room."""

    jid: str
    affiliation: Affiliation


class ChatRoom(Answer):
    """A room and its members."""

    jid: str
    name: str
    affiliation: Affiliation | None
    members: list[Member]


class RoomMembership(Answer):
    """A room of which the user is a member."""

    jid: str
    name: str
    affiliation: Affiliation


class RoomList(Answer):
    """The rooms of which the user is a member."""

    rooms: list[RoomMembership]


class Invitation(Answer):
    """A token by which others become members of a room."""

    token: str
    expires: Moment


class UploadSlot(Answer):
    """The address to send a file to by PUT with `headers`, and the address to read it from."""

    put: str
    get: str
    headers: dict[str, str]


class TypingSignal(Answer):
    """The chat state of somebody; it is valid for some seconds."""

    author: str | None
    nick: str | None
    state: ChatState
    seconds: int


class LiveRoom(Answer):
    """A room of which the user is a member."""

    jid: str
    name: str
    affiliation: Affiliation


class LiveChatEvent(Answer):
    """An event of chat; keys without a value are null."""

    cursor: str | None
    type: EventType | Literal["rooms", "expired", "typing"]
    jid: str | None
    time: Moment | None
    message: ChatMessage | None
    target: ChatMessage | None
    contact: EventContact | None
    presence: Presence | None
    displayed: DisplayedMark | None
    request: SubscriptionRequest | None
    failed: FailedStanza | None
    about: str | None
    conversation: ChatConversation | None
    rooms: list[LiveRoom] | None
    typing: TypingSignal | None


class LiveEvents(Answer):
    """A page of events of chat."""

    events: list[LiveChatEvent]
    cursor: str
    complete: bool
    max_wait: int


class ExpiredPlace(ErrorBody):
    """A cursor that is not known any more, and one that is valid."""

    cursor: str
