"""The queries of the archive API, in which nothing unknown may stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from component.core.errors import BadRequest
from component.core.messages import fulltext
from component.core.reading import conversations
from component.core.reading.pages import PageQuery
from component.core.reading.views import FOLDED_KINDS
from component.core.remote_data.posts import naming
from component.core.wording import given
from component.core.xml.jids import Jids, bare, resource
from component.core.xml.times import parse_time
from storage.rows import Filter, Kind

#: More digits than any number here has.
DIGITS = 18

#: What is taken at most: characters of an id, of an address and of a text, and ids at once. An
#: address has up to 1,023 bytes in each of its three parts (RFC 7622 section 3.1).
ID_MAX = 256
ADDRESS_MAX = TEXT_MAX = 3 * 1023 + 2
IDS_MAX = 1000

_Read = TypeVar("_Read")


def _told(read: Callable[[str], _Read]) -> Callable[[object], _Read]:
    """Return a reader of strings whose refusals are those of a validator."""

    def validate(value: object) -> _Read:
        if not isinstance(value, str):
            raise ValueError(f"expected a string, given {given(value)}")
        try:
            return read(value)
        except BadRequest as error:
            raise ValueError(error.message) from error

    return validate


def _bool(value: object) -> object:
    if value not in ("true", "false"):
        raise ValueError(f"expected true or false, given {given(value)}")
    return value == "true"


def _number(value: object) -> object:
    if not (isinstance(value, str) and value.isascii() and value.isdigit()):
        raise ValueError(f"expected a whole number, digits only, given {given(value)}")
    return value[:DIGITS]


def _time_or_id(value: str) -> str | int:
    # No id has a colon.
    return parse_time(value) if ":" in value else value


Flag = Annotated[bool, BeforeValidator(_bool)]
Limit = Annotated[int, BeforeValidator(_number), Field(ge=1)]
Number = Annotated[int, BeforeValidator(_number)]
Time = Annotated[int, BeforeValidator(_told(parse_time))]
Id = Annotated[str, Field(min_length=1, max_length=ID_MAX)]
Address = Annotated[str, Field(min_length=1, max_length=ADDRESS_MAX)]
View = Literal["raw", "folded"]


class Parameters(BaseModel):
    """Parameters of ours: what is not known here is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParameters(Parameters):
    """None at all."""


class Viewed(Parameters):
    """How messages are shown."""

    view: View = "raw"
    xml: Flag = True

    @property
    def is_folded(self) -> bool:
        """Whether messages are shown as people see them."""
        return self.view == "folded"


class MessageParameters(Viewed):
    """GET {prefix}/v1/archives/{owner}/messages/{id}."""


class Selection(Parameters):
    """Which messages of an archive are meant, whether they are read or followed."""

    with_: Annotated[str | None, Field(alias="with", max_length=ADDRESS_MAX)] = None
    groupchat: Flag | None = None
    kind: tuple[Kind, ...] | None = None
    xml: Flag = True

    def filter(self, jids: Jids) -> Filter:
        """Return which messages are meant. Raises BadRequest."""
        with naming("with"):
            other = None if self.with_ is None else jids.prepare(self.with_)
        return Filter(
            peer=None if other is None else bare(other),
            resource=None if other is None else resource(other) or None,
            groupchat=self.groupchat,
            kinds=None if self.kind is None else frozenset(self.kind),
        )


class MessagesParameters(Selection, Viewed):
    """GET {prefix}/v1/archives/{owner}/messages."""

    start: Time | None = None
    end: Time | None = None
    after: Id | None = None
    before: Id | None = None
    ids: Annotated[tuple[Id, ...], Field(max_length=IDS_MAX)] | None = None
    search: Annotated[str, Field(max_length=TEXT_MAX)] | None = None
    limit: Limit | None = None
    order: Literal["asc", "desc"] = "asc"
    count: Flag = False

    def filter(self, jids: Jids) -> Filter:
        """Return which messages are meant. Raises BadRequest."""
        with naming("search"):
            phrases = None if self.search is None else fulltext.parse(self.search)
        found = replace(
            super().filter(jids), since=self.start, until=self.end, ids=self.ids, phrases=phrases
        )
        return replace(found, kinds=FOLDED_KINDS) if self.is_folded else found

    def query(self, jids: Jids) -> PageQuery:
        """Return what is wanted. Raises BadRequest."""
        if self.is_folded and self.kind is not None:
            raise BadRequest("kind: only with view=raw: the folded view shows messages")
        return PageQuery(
            wanted=self.filter(jids),
            limit=self.limit,
            after=self.after,
            before=self.before,
            backwards=self.order == "desc",
            counted=self.count,
        )


class StreamParameters(Selection):
    """GET {prefix}/v1/archives/{owner}/stream."""

    after: Id | None = None


class ConversationsParameters(Viewed):
    """GET {prefix}/v1/archives/{owner}/conversations."""

    limit: Limit | None = None
    before: Id | None = None
    since: Annotated[Id | int, BeforeValidator(_told(_time_or_id))] | None = None

    def query(self) -> conversations.ConversationQuery:
        """Return what is wanted."""
        return conversations.ConversationQuery(
            limit=self.limit,
            before=self.before,
            since=self.since,
            folded=self.is_folded,
        )


class AuditParameters(Parameters):
    """GET {prefix}/v1/audit."""

    limit: Limit | None = None
    before: Number | None = None
    subject: Address | None = None
