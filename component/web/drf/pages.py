"""Pages of lists by limit and offset: {"count", "next", "previous", "results"}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from component.web.drf.fields import number_of
from component.web.server import body

#: The default size of a page, and the greatest one.
PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Place:
    """The page of a list that a request asks for."""

    limit: int
    offset: int

    @property
    def slice(self) -> slice:
        """The part of the list that is on the page."""
        return slice(self.offset, self.offset + self.limit)


def place_of(request: web.Request, maximum: int = PAGE_MAX) -> Place:
    """Return the page that a request asks for; values that are no numbers count as missing."""
    limit = number_of(request.query.get("limit")) or maximum
    return Place(min(limit, maximum), number_of(request.query.get("offset")) or 0)


def next_link(request: web.Request, place: Place, count: int) -> dict[str, str]:
    """Return the header that names the next part of a list of `count` items; it is relative."""
    end = place.offset + place.limit
    if end >= count:
        return {}
    url = request.rel_url.update_query({"limit": str(place.limit), "offset": str(end)})
    return {"Link": f'<?{url.raw_query_string}>; rel="next"'}


def page(
    request: web.Request, place: Place, count: int, results: Sequence[Mapping[str, object]]
) -> web.Response:
    """Return a page of a list that has `count` items."""
    end, before = place.offset + place.limit, place.offset - place.limit
    following = _url(request, place.limit, end) if end < count else None
    previous = _url(request, place.limit, before) if place.offset > 0 else None
    return body.json_response(
        {"count": count, "next": following, "previous": previous, "results": results}
    )


def absolute(request: web.Request, path: str) -> str:
    """Return the address of a path, as the caller can call it."""
    return str(request.url.origin()) + path


def _url(request: web.Request, limit: int, offset: int) -> str:
    url: URL = request.url.update_query({"limit": str(limit)})
    if offset > 0:
        return str(url.update_query({"offset": str(offset)}))
    return str(url.without_query_params("offset"))
