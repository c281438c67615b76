"""Models of the queries of the archive API; an unknown parameter is an error."""

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
from component.core.wording import shown
from component.core.xml.jids import Jids, bare, resource
from component.core.xml.times import parse_time
from storage.rows import Filter, Kind

#: Numbers are cut to this many digits: no number here has more.
DIGITS = 18

#: The greatest length of an id, of an address and of a text, and the greatest number of ids. An
#: address has up to 1,023 bytes in each of its three parts (RFC 7622 section 3.1).
ID_MAX = 256
ADDRESS_MAX = TEXT_MAX = 3 * 1023 + 2
IDS_MAX = 1000

_Value = TypeVar("_Value")


def _validator(parse: Callable[[str], _Value]) -> Callable[[object], _Value]:
    """Return a pydantic validator that parses a string; `parse` may raise BadRequest."""

    def validate(value: object) -> _Value:
        if not isinstance(value, str):
            raise ValueError(f"expected a string, given {shown(value)}")
        try:
            return parse(value)
        except BadRequest as error:
            raise ValueError(error.message) from error

    return validate


def _bool(value: object) -> object:
    if value not in ("true", "false"):
        raise ValueError(f"expected true or false, given {shown(value)}")
    return value == "true"


def _number(value: object) -> object:
    if not (isinstance(value, str) and value.isascii() and value.isdigit()):
        raise ValueError(f"expected a whole number, digits only, given {shown(value)}")
    return value[:DIGITS]


def _time_or_id(value: str) -> str | int:
    # A time has colons, an id has none.
    return parse_time(value) if ":" in value else value


Flag = Annotated[bool, BeforeValidator(_bool)]
Limit = Annotated[int, BeforeValidator(_number), Field(ge=1)]
Number = Annotated[int, BeforeValidator(_number)]
Time = Annotated[int, BeforeValidator(_validator(parse_time))]
Id = Annotated[str, Field(min_length=1, max_length=ID_MAX)]
Address = Annotated[str, Field(min_length=1, max_length=ADDRESS_MAX)]
View = Literal["raw", "folded"]


class Parameters(BaseModel):
    """Parameters of our own API: an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class NoParameters(Parameters):
    """A request without parameters."""


class ViewParameters(Parameters):
    """The view of messages: raw or folded, with or without XML."""

    view: View = "raw"
    xml: Flag = True

    @property
    def is_folded(self) -> bool:
        """Whether later messages are folded into the messages that they are about."""
        return self.view == "folded"


class MessageParameters(ViewParameters):
    """GET {prefix}/v1/archives/{owner}/messages/{id}."""


class FilterParameters(Parameters):
    """The messages of an archive that a request selects."""

    with_: Annotated[str | None, Field(alias="with", max_length=ADDRESS_MAX)] = None
    groupchat: Flag | None = None
    kind: tuple[Kind, ...] | None = None
    xml: Flag = True

    def filter(self, jids: Jids) -> Filter:
        """Return the filter of messages. Raises BadRequest."""
        with naming("with"):
            peer = None if self.with_ is None else jids.prepare(self.with_)
        return Filter(
            peer=None if peer is None else bare(peer),
            resource=None if peer is None else resource(peer) or None,
            groupchat=self.groupchat,
            kinds=None if self.kind is None else frozenset(self.kind),
        )


class MessagesParameters(FilterParameters, ViewParameters):
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
        """Return the filter of messages. Raises BadRequest."""
        with naming("search"):
            phrases = None if self.search is None else fulltext.parse(self.search)
        filter = replace(
            super().filter(jids), since=self.start, until=self.end, ids=self.ids, phrases=phrases
        )
        return replace(filter, kinds=FOLDED_KINDS) if self.is_folded else filter

    def query(self, jids: Jids) -> PageQuery:
        """Return the query for a page. Raises BadRequest."""
        if self.is_folded and self.kind is not None:
            raise BadRequest("kind: only with view=raw: the folded view shows messages")
        return PageQuery(
            filter=self.filter(jids),
            limit=self.limit,
            after=self.after,
            before=self.before,
            backwards=self.order == "desc",
            counted=self.count,
        )


class StreamParameters(FilterParameters):
    """GET {prefix}/v1/archives/{owner}/stream."""

    after: Id | None = None


class ConversationsParameters(ViewParameters):
    """GET {prefix}/v1/archives/{owner}/conversations."""

    limit: Limit | None = None
    before: Id | None = None
    since: Annotated[Id | int, BeforeValidator(_validator(_time_or_id))] | None = None

    def query(self) -> conversations.ConversationQuery:
        """Return the query for a page of conversations."""
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
