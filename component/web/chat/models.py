"""Models of the requests of the chat API; an unknown field is an error."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from component.core.chat import rooms
from component.core.chat.conversations import CURSOR_MAX, MessagesQuery
from component.core.chat.people.profiles import NAME_MAX
from component.core.messages import fulltext
from component.core.remote_data.posts import naming
from component.core.sessions.outgoing import ChatState
from component.core.xml.characters import can_be_shown
from component.web.archive.models import (
    TEXT_MAX,
    Address,
    Id,
    Limit,
    Number,
    Parameters,
    Time,
)
from component.web.archive.sending_models import FILE_NAME_MAX, XmlText, media_type
from storage.rows import Phrase

#: The greatest length of a search for users, and of a token of an invitation.
SEARCH_MAX = 100
TOKEN_MAX = 200

#: The greatest number of members that a new room is made with.
MEMBERS_MAX = 1000

#: Categories of Unicode without a place in one line: controls, halves of characters, separators.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})

#: They would turn round the text behind a name (Unicode Standard Annex 9).
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(value: str) -> str:
    """Return a text of one line, without blanks around it. Raises ValueError."""
    text = value.strip()
    is_line = not any(unicodedata.category(c) in _NO_TEXT or c in _DIRECTIONS for c in text)
    if not can_be_shown(text) or not is_line:
        raise ValueError("expected one line of text")
    return text


RoomName = Annotated[
    str, Field(strict=True, min_length=1, max_length=rooms.NAME_MAX), AfterValidator(one_line)
]


def _file_name(value: str) -> str:
    if value in ("", ".", "..") or "/" in value or "\\" in value:
        raise ValueError("expected the name of a file, without folders")
    return value


class UsersParameters(Parameters):
    """GET {prefix}/v1/chat/users."""

    search: Annotated[str, Field(max_length=SEARCH_MAX)]


class SignUpFields(Parameters):
    """POST {prefix}/v1/chat/sign-up."""

    jid: Address
    password: Annotated[str, Field(strict=True, repr=False)]
    name: Annotated[str, Field(strict=True, max_length=NAME_MAX), AfterValidator(one_line)] = ""


class RoomFields(Parameters):
    """POST {prefix}/v1/chat/rooms."""

    name: RoomName
    members: Annotated[tuple[Address, ...], Field(max_length=MEMBERS_MAX)] = ()


class RenameFields(Parameters):
    """PATCH {prefix}/v1/chat/rooms/{jid}."""

    name: RoomName


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
    at: Time | None = None
    limit: Limit | None = None
    search: Annotated[str, Field(max_length=TEXT_MAX)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        """Refuse two places."""
        places = (self.before, self.after, self.around, self.at)
        if sum(place is not None for place in places) > 1:
            raise ValueError("before, after, around and at: expected one of them at most")
        return self

    def query(self) -> MessagesQuery:
        """Return the query. Raises BadRequest."""
        with naming("search"):
            phrases = None if self.search is None else fulltext.parse(self.search)
        return MessagesQuery(
            before=self.before,
            after=self.after,
            around=self.around,
            at=self.at,
            limit=self.limit,
            phrases=phrases,
        )


class SearchParameters(Parameters):
    """GET {prefix}/v1/chat/messages."""

    search: Annotated[str, Field(max_length=TEXT_MAX)]
    before: Time | None = None
    limit: Limit | None = None

    def phrases(self) -> tuple[Phrase, ...]:
        """Return what a hit has in its text. Raises BadRequest."""
        with naming("search"):
            return fulltext.parse(self.search)


class DisplayedFields(Parameters):
    """PUT {prefix}/v1/chat/conversations/{jid}/displayed."""

    id: Id


class LiveParameters(Parameters):
    """GET {prefix}/v1/chat/events/stream, and /socket."""

    after: Annotated[str, Field(min_length=1)] | None = None


class PollParameters(LiveParameters):
    """GET {prefix}/v1/chat/events."""

    limit: Limit | None = None
    wait: Number = 0


class TypingFields(Parameters):
    """POST {prefix}/v1/chat/conversations/{jid}/typing."""

    state: ChatState


class ProfileFields(Parameters):
    """PATCH {prefix}/v1/chat/profile."""

    name: Annotated[str, Field(strict=True, max_length=NAME_MAX), AfterValidator(one_line)]


class UploadFields(Parameters):
    """POST {prefix}/v1/chat/uploads."""

    name: Annotated[
        XmlText,
        Field(max_length=FILE_NAME_MAX),
        AfterValidator(one_line),
        AfterValidator(_file_name),
    ]
    size: Annotated[int, Field(strict=True, ge=1, lt=10**15)]
    type: Annotated[str, Field(strict=True), AfterValidator(media_type)] = (
        "application/octet-stream"
    )
