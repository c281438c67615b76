"""The search in one archive: by words, people, times and kinds, with each hit in its context."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import Field

from component.core.errors import BadRequest, Refused
from component.core.messages import fulltext
from component.core.reading.browsing import start_of
from component.core.reading.hits import Hit
from component.core.reading.pages import PageQuery
from component.core.reading.views import FOLDED_KINDS
from component.core.remote_data.posts import naming
from component.core.xml.jids import bare, resource
from component.web import keys
from component.web.auth import authenticate
from component.web.operators import calendars
from component.web.operators.messages import EXCERPT_MAX, shown
from component.web.operators.models import Address, Day, Id, PageParameters, Text
from component.web.operators.rendering import render
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at
from storage.rows import Filter, Kind, Phrase

KINDS = (
    ("", "messages"),
    (Kind.ANNOTATION, "corrections, reactions and retractions"),
    (Kind.RECEIPT, "receipts and markers"),
    (Kind.TOMBSTONE, "retracted messages"),
    (Kind.BLANKED, "messages without content"),
)


class SearchParameters(PageParameters):
    """GET {prefix}/archives/{owner}/search."""

    search: Text = ""
    with_: Address | None = Field(default=None, alias="with")
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None
    kind: Kind | None = None
    before: Id | None = None

    def filter(self, request: web.Request) -> Filter:
        """Return the filter of messages. Raises BadRequest."""
        with naming("with"):
            peer = None if self.with_ is None else request.app[keys.jids].prepare(self.with_)
        with naming("search"):
            phrases = fulltext.parse(self.search) if self.search.strip() else None
        return Filter(
            peer=None if peer is None else bare(peer),
            resource=None if peer is None else resource(peer) or None,
            since=None if self.from_ is None else start_of(self.from_),
            until=None if self.until is None else start_of(self.until) + _LAST_OF_DAY,
            kinds=FOLDED_KINDS if self.kind is None else frozenset({self.kind}),
            phrases=phrases,
        )

    @property
    def is_empty(self) -> bool:
        """Whether the reader has not searched yet."""
        return self == SearchParameters()


#: Microseconds from the first to the last one of a day.
_LAST_OF_DAY = 24 * 3600 * 1_000_000 - 1


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/search", search)


async def search(request: web.Request) -> web.Response:
    """GET {prefix}/archives/{owner}/search: a form, and the hits of a search, the newest first."""
    owner, query = await owner_of(request), body.query(request)
    try:
        parameters = checked(SearchParameters, query)
        filter = parameters.filter(request)
    except BadRequest as refused:
        return _form(request, owner, query, refused)
    if parameters.is_empty:
        return _form(request, owner, query)
    try:
        page = await request.app[keys.browser].search(
            authenticate.principal(request),
            owner,
            PageQuery(filter=filter, before=parameters.before, backwards=True),
        )
    except Refused as refused:
        return _form(request, owner, query, refused)
    phrases = filter.phrases or ()
    return _form(
        request,
        owner,
        query,
        page=page,
        hits=[_shown(owner, hit, phrases) for hit in page.hits],
        is_search=bool(phrases),
        months=None if page.days is None else calendars.count_months(page.days),
        next=None if page.complete else page.hits[-1].message.message.stored.id,
    )


def _form(
    request: web.Request,
    owner: str,
    query: dict[str, str],
    refused: Refused | None = None,
    **values: Any,
) -> web.Response:
    """Return the page with the form as the reader has filled it in."""
    fields = {name: query.get(name, "") for name in ("search", "with", "from", "until", "kind")}
    return render(
        request,
        "archive/search.html",
        refused=refused,
        owner=owner,
        fields=fields,
        kinds=KINDS,
        is_first="before" not in query,
        page=values.pop("page", None),
        **values,
    )


def _shown(owner: str, hit: Hit, phrases: tuple[Phrase, ...]) -> dict[str, object]:
    return {
        "message": shown(owner, hit.message, phrases, limit=EXCERPT_MAX),
        "before": [shown(owner, item, limit=EXCERPT_MAX) for item in hit.before],
        "after": [shown(owner, item, limit=EXCERPT_MAX) for item in hit.after],
    }
