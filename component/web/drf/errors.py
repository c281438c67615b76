"""Errors in the form of Django REST framework: {"detail": SENTENCE}, or lists of them by field."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

from component.core.errors import Refused

_CONTRACT = "contract"


class ContractRefusal(Refused):
    """A refusal whose body a contract prescribes: its message is that body in JSON."""

    condition = _CONTRACT

    def __init__(self, body: Mapping[str, object], status: int = 400) -> None:
        self.status = status
        super().__init__(orjson.dumps(body).decode())


def detail(message: str, status: int) -> ContractRefusal:
    """Return a refusal with one sentence."""
    return ContractRefusal({"detail": message}, status)


def not_authenticated(status: int = 401) -> ContractRefusal:
    """Return the refusal of a request without a token."""
    return detail("Authentication credentials were not provided.", status)


def token_not_valid(status: int = 401) -> ContractRefusal:
    """Return the refusal of a request with a wrong access token."""
    wrong = "Token is invalid or expired"
    messages = [{"token_class": "AccessToken", "token_type": "access", "message": wrong}]
    sentence = "Given token not valid for any token type"
    return ContractRefusal(
        {"detail": sentence, "code": "token_not_valid", "messages": messages}, status
    )


def refresh_not_valid() -> ContractRefusal:
    """Return the refusal of a wrong refresh token."""
    return ContractRefusal(
        {"detail": "Token is invalid or expired", "code": "token_not_valid"}, 401
    )


def no_account() -> ContractRefusal:
    """Return the refusal of a wrong user name, e-mail address or password."""
    return detail("No active account found with the given credentials", 401)


def forbidden() -> ContractRefusal:
    """Return the refusal of what only another user may do."""
    return detail("You do not have permission to perform this action.", 403)


def not_found() -> ContractRefusal:
    """Return the refusal of an unknown id, and of one that is for others."""
    return detail("Not found.", 404)


def response(
    condition: str, message: str, status: int, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the response to a refusal or a fault."""
    text = message.encode(errors="replace").decode()
    if condition != _CONTRACT:
        text = orjson.dumps({"detail": "Not found." if status == 404 else text}).decode()
    answer = web.Response(
        body=text.encode(), status=status, content_type="application/json", headers=headers
    )
    answer.headers["Cache-Control"] = "no-store"
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return answer
