"""Responses in both dialects, with headers that tell the version and the rule of a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import orjson
from aiohttp import web

from component.core.ejabberd_api.document import documented_error
from component.core.ejabberd_api.refusals import ApiRefusal

#: The API version of a response: that of ejabberd, or the word for the document's dialect.
VERSION_HEADER = "Muniment-Api-Version"
DOCUMENT = "document"

#: The rule that refuses a call, as `muniment permissions explain` names it.
RULE_HEADER = "Muniment-Rule"


def response(data: object, version: int | None, *, status: int = 200) -> web.Response:
    """Return a JSON response that no cache may keep."""
    return web.Response(
        body=orjson.dumps(data),
        status=status,
        content_type="application/json",
        headers={
            "Cache-Control": "no-store",
            VERSION_HEADER: DOCUMENT if version is None else str(version),
        },
    )


def refusal(refused: ApiRefusal, version: int | None) -> web.Response:
    """Return the response to a refused call."""
    status = refused.status
    # A text may quote a request, whose bytes may be in any encoding.
    message = refused.message.encode(errors="replace").decode()
    data: object
    if version is None:
        error = documented_error(refused)
        status = error.status
        data = {"error": error.reason, "message": error.message or message}
    elif refused.code is None:
        data = message
    else:
        data = {"status": "error", "code": refused.code, "message": message}
    answer = response(data, version, status=status)
    if refused.rule:
        answer.headers[RULE_HEADER] = refused.rule
    if refused.retry_seconds is not None:
        answer.headers["Retry-After"] = str(ceil(refused.retry_seconds))
    if status == 401:
        # Not Basic: a browser would ask for a password, and send it for pages of other origins.
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def documented_shape(
    condition: str, message: str, status: int, headers: Mapping[str, str] | None
) -> web.Response:
    """Return the response of the document's dialect to an error outside of a call."""
    data = {"error": condition.replace("-", "_"), "message": message}
    return _with_headers(response(data, None, status=status), headers)


def versioned_shape(
    condition: str, message: str, status: int, headers: Mapping[str, str] | None
) -> web.Response:
    """Return the response of ejabberd's dialects to an error outside of a call."""
    data = {"status": "error", "code": 0, "message": message}
    answer = _with_headers(response(data, None, status=status), headers)
    del answer.headers[VERSION_HEADER]
    return answer


def _with_headers(answer: web.Response, headers: Mapping[str, str] | None) -> web.Response:
    answer.headers.update(headers or {})
    return answer
