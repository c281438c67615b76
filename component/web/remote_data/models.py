"""Queries and bodies of Remote Data requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from component.core.errors import NotAuthorized
from component.core.remote_data.archive import RemoteQuery
from component.core.remote_data.posts import Post
from storage.rows import Direction

#: RFC 6121 section 5.2.2, without errors.
MessageType = Literal["chat", "groupchat", "normal", "headline"]

#: A page number is cut to this many digits: it is beyond the end of any archive anyway.
BEYOND_DIGITS = 18


def absent_if_empty(value: object) -> object:
    """Return the value, None for an empty string."""
    return None if value == "" else value


def _count_or_absent(value: object) -> object:
    # A malformed page never fails a request: it counts as absent.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return value[:BEYOND_DIGITS]
    return None


Text = Annotated[str | None, BeforeValidator(absent_if_empty)]
Type = Annotated[MessageType | None, BeforeValidator(absent_if_empty)]
Limit = Annotated[int, Field(ge=0)]


class Fields(BaseModel):
    """Fields of a request; unknown ones are ignored."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, coerce_numbers_to_str=True, defer_build=True
    )

    username: Text = None

    @property
    def owner(self) -> str:
        """The username. Raises NotAuthorized if it is missing, as the contract says."""
        if self.username is None:
            raise NotAuthorized("username: missing: it names the owner of the archive")
        return self.username


class UserQuery(Fields):
    """GET {prefix}/user; callers from before 2016 send `jid` for `username`."""

    jid: Text = None

    @property
    def owner(self) -> str:
        """The username. Raises NotAuthorized if it is missing, as the contract says."""
        user = self.username or self.jid
        if user is None:
            raise NotAuthorized("username: missing: it names the user")
        return user


class AuthQuery(UserQuery):
    """GET {prefix}/auth."""

    password: Annotated[str | None, BeforeValidator(absent_if_empty), Field(repr=False)] = None


class OfflinePost(BaseModel):
    """POST {prefix}/offline/{user}."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    peer: str
    packet: str
    timestamp: str


class ArchiveQuery(UserQuery):
    """GET {prefix}/archive and {prefix}/archive/items."""

    type: Type = None
    peer: Text = None
    after: Text = None
    before: Text = None
    limit: Annotated[Limit | None, BeforeValidator(absent_if_empty)] = None
    page: Annotated[int | None, BeforeValidator(_count_or_absent)] = None

    def query(self) -> RemoteQuery:
        """Return the query of the archive."""
        return RemoteQuery(
            username=self.owner,
            type=self.type,
            peer=self.peer,
            after=self.after,
            before=self.before,
            limit=self.limit,
            page=self.page,
        )


class ArchivePost(Fields):
    """POST {prefix}/archive."""

    timestamp: str = ""
    peer: Text = None
    type: Type = None
    nick: str | None = None
    xml: Text = None
    body: str | None = None
    direction: Annotated[Direction | None, BeforeValidator(absent_if_empty)] = None

    def post(self) -> Post:
        """Return the message to store."""
        return Post(
            username=self.owner,
            timestamp=self.timestamp,
            peer=self.peer,
            type=self.type,
            nick=self.nick or "",
            xml=self.xml,
            body=self.body,
            direction=self.direction,
        )
