"""Bodies of condor_chat's API, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from component.web.drf.answers import FormBody, FormPage, ListParameters
from component.web.server.operation import Answer


class SignInBody(FormBody):
    """A user name and a password."""

    username: str
    password: str


class AvailableParameters(ListParameters):
    """A search for users; without one, a part of the list of all of them."""

    full_name: Annotated[str | None, Field(description="A part of the name.")] = None
    email: Annotated[str | None, Field(description="The whole e-mail address.")] = None


class NewProfileBody(FormBody):
    """A new account."""

    username: str
    password: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class ProfileBody(FormBody):
    """Changes of the own profile; PUT requires `username`, which has to be the own one."""

    username: str | None = None
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class PictureBody(FormBody):
    """A new picture; without a file nothing changes."""

    avatar: Annotated[str | None, Field(json_schema_extra={"format": "binary"})] = None


class PictureParameters(FormBody):
    """The signature in the address of a picture."""

    signature: str


class FormUser(Answer):
    """A user; nobody else sees the e-mail address of a user."""

    id: int
    full_name: str
    username: str
    email: str
    avatar_url: str


class FormUsersPage(FormPage):
    """A page of users."""

    results: list[FormUser]


class PictureAddress(Answer):
    """The path of the own picture."""

    avatar: str


class FormMessage(Answer):
    """A message; `sender` is null if the author is no user of this server."""

    sender: int | None
    timestamp: str
    content: str


class FormMessageWithId(FormMessage):
    """A message of a direct chat."""

    id: str


class FormMessagesPage(FormPage):
    """A page of messages of direct chats."""

    results: list[FormMessageWithId]


class FormRoom(Answer):
    """A room or a direct chat, with its newest messages."""

    id: int
    title: str
    timestamp: str | None
    messages: list[FormMessage]


class FormRoomsPage(FormPage):
    """A page of rooms and direct chats."""

    results: list[FormRoom]


class RoomBody(FormBody):
    """The title and the participants of a room, by their ids; PATCH requires none of them."""

    title: str | None = None
    participants: list[int | str] | None = None


class NewRoomBody(FormBody):
    """The title and the participants of a new room, by their ids."""

    title: str
    participants: list[int | str]


class ToUserBody(FormBody):
    """A message to a user, by the id."""

    user_id: int | str
    message: str | int | float


class ToRoomBody(FormBody):
    """A message to a room, by the id."""

    group_id: int | str
    message: str | int | float


class NewMessageBody(FormBody):
    """A message to a user; without `user_id` it is a note to oneself."""

    sender: Annotated[int | str, Field(description="The own id.")]
    content: str | int | float
    user_id: int | str | None = None


class MessageBody(FormBody):
    """The text of a message; PUT requires `sender`, the own id."""

    content: str | int | float
    sender: int | str | None = None
