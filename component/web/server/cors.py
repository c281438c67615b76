"""Cross-origin requests of browsers (Fetch Standard, section "CORS protocol").

Pages of the configured origins may call us with a token in a header. We use no cookies, so a page
of another origin gains nothing by a request that the browser sends on its own.
"""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

#: Seconds for which a browser remembers the answer to a preflight request.
MAX_AGE_SECONDS = 600

#: Headers of answers that pages may read.
EXPOSED = "Allow, ETag, Link, Retry-After, WWW-Authenticate"

_PREFLIGHT = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, HEAD, POST, PUT, PATCH, DELETE",
    # Last-Event-ID continues a live stream, If-None-Match spares an image that has not changed.
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: (
        "Authorization, Content-Type, If-None-Match, Last-Event-ID"
    ),
    hdrs.ACCESS_CONTROL_MAX_AGE: str(MAX_AGE_SECONDS),
}


def allow(app: web.Application, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call an application; without origins it stays as it is."""
    if not origins:
        return
    allowed = frozenset(origins)

    @web.middleware
    async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        # It comes without a token, so no family is asked.
        if _is_preflight(request) and request.headers[hdrs.ORIGIN] in allowed:
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin in allowed:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED

    app.middlewares.insert(0, answer_preflight)
    app.on_response_prepare.append(add_headers)


def _is_preflight(request: web.Request) -> bool:
    """Return whether a browser asks if a page may send a request."""
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )
