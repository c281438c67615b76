"""The response to a refused or failed request: its JSON shape, and the middleware for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import ceil

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from component.core.errors import REFUSAL_SECONDS, RateLimited, Refused, TooMany

#: A function that makes a response from the condition, message, status and headers of an error.
Shape = Callable[[str, str, int, Mapping[str, str] | None], web.Response]

log = logging.getLogger(__name__)

#: Conditions of RFC 6120 section 8.3.3 for refusals that aiohttp makes itself.
CONDITIONS = {
    400: "bad-request",
    401: "not-authorized",
    403: "forbidden",
    404: "item-not-found",
    405: "not-allowed",
    408: "remote-server-timeout",
    409: "conflict",
    413: "policy-violation",
    415: "not-acceptable",
    417: "not-acceptable",
    421: "not-allowed",
    429: "resource-constraint",
    431: "policy-violation",
    503: "resource-constraint",
}

MESSAGES = {
    404: "There is nothing at this path.",
    405: "This path does not allow this method: see the Allow header.",
    413: "The request body is larger than this server accepts.",
}

INTERNAL = "internal-server-error"


def body(condition: str, message: str, status: int) -> bytes:
    """Return the JSON of an error."""
    # The message may quote a header, whose bytes may be in any encoding.
    text = message.encode(errors="replace").decode()
    return orjson.dumps({"error": condition, "message": text, "status": status})


def response(
    condition: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response to a refusal or a fault, in JSON."""
    answer = web.Response(
        body=body(condition, message, status),
        status=status,
        content_type="application/json",
        headers=headers,
    )
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def crash(shape: Shape = response) -> web.Response:
    """Return the response to a fault of this program, without details of it."""
    return shape(INTERNAL, "An internal error occurred: the log has the details.", 500, None)


def of_aiohttp(refused: web.HTTPException, shape: Shape = response) -> web.Response:
    """Return the response to a refusal that aiohttp made."""
    status = refused.status
    headers = {name: refused.headers[name] for name in ("Allow",) if name in refused.headers}
    message = MESSAGES.get(status) or refused.text or refused.reason
    return shape(CONDITIONS.get(status, INTERNAL), message, status, headers)


def middleware(shape: Shape = response) -> Middleware:
    """Return a middleware that answers every exception of a handler in this shape."""

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            if isinstance(refused, RateLimited | TooMany):
                await asyncio.sleep(REFUSAL_SECONDS)
            return shape(refused.condition, refused.message, refused.status, _headers(refused))
        except web.HTTPException as refused:
            return of_aiohttp(refused, shape)
        except Exception:
            log.exception("%s %s failed", request.method, request.rel_url.raw_path)
            return crash(shape)

    return answer_errors


def _headers(refused: Refused) -> dict[str, str]:
    if isinstance(refused, RateLimited):
        return {"Retry-After": str(ceil(refused.retry_seconds))}
    return {}
