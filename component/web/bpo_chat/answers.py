"""Bodies of bpo-chat-api's API, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Literal

from component.web.archive.answers import Moment
from component.web.drf.answers import FormBody
from component.web.server.operation import Answer


class Hello(Answer):
    """A greeting."""

    message: str


class SignUpBody(FormBody):
    """A new account; both passwords have to be the same."""

    email: str
    username: str
    password: str
    password2: str


class LoginBody(FormBody):
    """An e-mail address and a password."""

    email: str
    password: str


class ListedUser(Answer):
    """A user of a list; nobody else sees the e-mail address of a user."""

    email: str
    username: str


class BpoUser(Answer):
    """A user; nobody else sees the e-mail address of a user."""

    id: int | None
    username: str
    email: str


class PeerBody(FormBody):
    """The name of the other user."""

    username: str


class BpoMessageBody(FormBody):
    """A text."""

    message: str | int | float


class BpoMessage(Answer):
    """A message and its author."""

    user: BpoUser
    message: str


class BpoMessages(Answer):
    """The newest messages of a chat."""

    id: int
    uri: str
    messages: list[BpoMessage]


class BpoSent(Answer):
    """The newest messages of a chat, after one was sent."""

    status: Literal["SUCCESS"]
    uri: str
    messages: list[BpoMessage]


class BpoChat(Answer):
    """A chat."""

    id: int
    create_date: Moment
    update_date: Moment
    owner_id: int
    uri: str


class BpoChats(Answer):
    """Chats of the user."""

    message: list[BpoChat]


class BpoJoined(Answer):
    """A chat that the user has joined; `uri` only if the chat was made by the request."""

    status: Literal["SUCCESS"]
    members: list[BpoUser]
    message: str
    uri: str | None = None
    user: BpoUser
