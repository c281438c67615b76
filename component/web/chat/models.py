"""Models of the requests of the chat API; an unknown field is an error."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from component.core.chat.conversations import CURSOR_MAX, MessagesQuery
from component.core.chat.rooms import NAME_MAX
from component.core.messages import fulltext
from component.core.remote_data.posts import naming
from component.web.archive.models import TEXT_MAX, Address, Id, Limit, Parameters

#: The greatest length of a search for users, and of a token of an invitation.
SEARCH_MAX = 100
TOKEN_MAX = 200

#: The greatest number of members that a new room is made with.
MEMBERS_MAX = 1000

Name = Annotated[str, Field(strict=True, min_length=1, max_length=NAME_MAX)]


class UsersParameters(Parameters):
    """GET {prefix}/v1/chat/users."""

    search: Annotated[str, Field(max_length=SEARCH_MAX)]


class RoomFields(Parameters):
    """POST {prefix}/v1/chat/rooms."""

    name: Name
    members: Annotated[tuple[Address, ...], Field(max_length=MEMBERS_MAX)] = ()


class RenameFields(Parameters):
    """PATCH {prefix}/v1/chat/rooms/{jid}."""

    name: Name


class AffiliationFields(Parameters):
    """PUT {prefix}/v1/chat/rooms/{jid}/members/{member}."""

    affiliation: Literal["member", "admin", "owner"] = "member"


class JoinFields(Parameters):
    """POST {prefix}/v1/chat/rooms/join."""

    token: Annotated[str, Field(strict=True, max_length=TOKEN_MAX, repr=False)]


class ConversationListParameters(Parameters):
    """GET {prefix}/v1/chat/conversations."""

    before: Annotated[str | None, Field(max_length=CURSOR_MAX)] = None
    limit: Limit | None = None


class ConversationMessagesParameters(Parameters):
    """GET {prefix}/v1/chat/conversations/{jid}/messages."""

    before: Id | None = None
    after: Id | None = None
    around: Id | None = None
    limit: Limit | None = None
    search: Annotated[str, Field(max_length=TEXT_MAX)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        """Refuse two places."""
        if sum(place is not None for place in (self.before, self.after, self.around)) > 1:
            raise ValueError("before, after and around: expected one of them at most")
        return self

    def query(self) -> MessagesQuery:
        """Return the query. Raises BadRequest."""
        with naming("search"):
            phrases = None if self.search is None else fulltext.parse(self.search)
        return MessagesQuery(
            before=self.before,
            after=self.after,
            around=self.around,
            limit=self.limit,
            phrases=phrases,
        )


class DisplayedFields(Parameters):
    """PUT {prefix}/v1/chat/conversations/{jid}/displayed."""

    id: Id
