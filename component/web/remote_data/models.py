"""The queries and bodies of Remote Data requests, checked field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from component.core.errors import NotAuthorized
from component.core.remote_data.archive import RemoteQuery
from component.core.remote_data.posts import Post
from storage.rows import Direction

#: RFC 6121 section 5.2.2, without errors.
MessageType = Literal["chat", "groupchat", "normal", "headline"]

#: A number of this many digits is beyond the end of any archive.
BEYOND_DIGITS = 18


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


def _count_or_absent(value: object) -> object:
    # A page is never a reason to fail: what is no number is not there.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return value[:BEYOND_DIGITS]
    return None


Text = Annotated[str | None, BeforeValidator(_absent_if_empty)]
Type = Annotated[MessageType | None, BeforeValidator(_absent_if_empty)]
Limit = Annotated[int, Field(ge=0)]


class Fields(BaseModel):
    """Fields of a caller that may know more of them than this server."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    username: Text = None

    @property
    def owner(self) -> str:
        """The username. Raises NotAuthorized where it is missing, as the contract has it."""
        if self.username is None:
            raise NotAuthorized("username: missing: say whose archive is meant")
        return self.username


class UserQuery(Fields):
    """GET {prefix}/user; callers of before 2016 write `jid` for `username`."""

    jid: Text = None

    @property
    def owner(self) -> str:
        """Who is meant. Raises NotAuthorized where nobody is, as the contract has it."""
        named = self.username or self.jid
        if named is None:
            raise NotAuthorized("username: missing: say who is meant")
        return named


class AuthQuery(UserQuery):
    """GET {prefix}/auth."""

    password: Annotated[str | None, BeforeValidator(_absent_if_empty), Field(repr=False)] = None


class OfflinePost(BaseModel):
    """POST {prefix}/offline/{user}."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    peer: str
    packet: str
    timestamp: str


class ArchiveQuery(UserQuery):
    """GET {prefix}/archive and {prefix}/archive/items."""

    type: Type = None
    peer: Text = None
    after: Text = None
    before: Text = None
    limit: Annotated[Limit | None, BeforeValidator(_absent_if_empty)] = None
    page: Annotated[int | None, BeforeValidator(_count_or_absent)] = None

    def query(self) -> RemoteQuery:
        """Return what is wanted of an archive."""
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
    direction: Annotated[Direction | None, BeforeValidator(_absent_if_empty)] = None

    def post(self) -> Post:
        """Return the message to be stored."""
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
