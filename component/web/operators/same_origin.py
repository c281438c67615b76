"""Refuse requests that a page of another origin made a browser send.

The cookie of a sign-in is `SameSite=Strict`, but other ports of the same host are the same site.
So every request that changes something has to come from a page of this origin: a browser says so
by `Sec-Fetch-Site`, or on plain HTTP by `Origin`.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from component.core.errors import Forbidden

_SAFE_METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)


class _Origin(NamedTuple):
    """The parts of an Origin header, empty if it has none."""

    scheme: str
    netloc: str


def check(request: web.Request) -> None:
    """Raise Forbidden if a request that changes something is not from a page of this origin."""
    if request.method in _SAFE_METHODS or _is_same_origin(request):
        return
    raise Forbidden(
        "This request does not come from a page of this server, so it is refused. If you sent a"
        " form of this server through a proxy, the proxy has to leave the Host header unchanged."
    )


def is_encrypted(request: web.Request) -> bool:
    """Return whether the browser reaches this server by HTTPS, perhaps through a proxy."""
    return _origin(request).scheme == "https"


def _is_same_origin(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return _origin(request).netloc.lower() == request.headers.get(hdrs.HOST, "").lower() != ""


def _origin(request: web.Request) -> _Origin:
    try:
        parts = urlsplit(request.headers.get(hdrs.ORIGIN, ""))
    except ValueError:
        return _Origin("", "")
    return _Origin(parts.scheme, parts.netloc)
