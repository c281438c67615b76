"""Paths with a slash at their end; without it a request is redirected, with method and body."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

Make = Callable[..., web.RouteDef]


def slashed(make: Make, path: str, handler: Handler) -> list[web.RouteDef]:
    """Return the routes of a path: with the slash that it ends with, and without."""
    options = {"allow_head": False} if make is web.get else {}
    return [
        make(path, handler, **options),
        make(path.removesuffix("/"), redirect, **options),
    ]


async def redirect(request: web.Request) -> web.Response:
    """Redirect to the path with a slash, and do not lose method and body (RFC 9110 15.4.9)."""
    url = request.rel_url
    query = f"?{url.raw_query_string}" if url.raw_query_string else ""
    return web.Response(status=308, headers={"Location": f"{url.raw_path}/{query}"})
