"""Errors in the form of REST-XMPP-Client: {"error": {"code": NAME, "text": SENTENCE}}."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

from component.core.gateway.errors import AuthError, ParametersError

#: The names that REST-XMPP-Client has for conditions of XMPP; others keep theirs.
_CODES = {
    "bad-request": ParametersError.condition,
    "not-authorized": AuthError.condition,
}


def response(
    condition: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response to a refusal or a fault."""
    text = message.encode(errors="replace").decode()
    answer = web.Response(
        body=orjson.dumps({"error": {"code": _CODES.get(condition, condition), "text": text}}),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )
    if status == AuthError.status:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
