"""Authenticate requests: by the secret of the server or of an operator, or by the network."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access import roles
from component.core.access.principals import SERVER, Operator, Principal, Role, Server
from component.core.errors import NotAuthorized
from component.web import keys
from component.web.auth import trust
from component.web.server.settings import WebSettings

log = logging.getLogger(__name__)

_HOW = "Authorization: Bearer SECRET, or X-Api-Key: SECRET"

#: Headers that carry a secret.
_SECRET_HEADERS = ("Authorization", "X-Api-Key")


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on requests with a secret, and trusted ones without, with their principal."""
    try:
        request[keys.principal] = _authenticated(request, request.app[keys.settings])
    except NotAuthorized as refused:
        log_refusal(request, refused)
        raise
    return await handler(request)


def principal(request: web.Request) -> Principal:
    """Return the principal that sent a request."""
    return request[keys.principal]


def require(request: web.Request, role: Role) -> Principal:
    """Return the principal that sent a request, if it has a role. Raises Forbidden."""
    caller = principal(request)
    roles.require_role(caller, role)
    return caller


def require_server(request: web.Request) -> None:
    """Raise Forbidden if the sender of a request is not the server."""
    roles.require_server(principal(request))


def _authenticated(request: web.Request, settings: WebSettings) -> Principal:
    """Return the principal that sent a request. Raises NotAuthorized, RateLimited, Misdirected."""
    if not any(name in request.headers for name in _SECRET_HEADERS):
        if not settings.trusts_network:
            raise NotAuthorized(f"No secret was shown: send a header {_HOW}.")
        trust.check(request, settings)
        return SERVER
    # A request with a wrong secret never counts as one without a secret.
    secrets = _secrets(request)
    if len(secrets) != 1:
        raise NotAuthorized(f"Show one secret, in a header {_HOW}.")
    caller = principal_of(secrets[0].encode(errors="surrogateescape"), settings)
    name = caller.name if caller else None
    request.config_dict[keys.guess_limit].check(request[keys.party], name)
    if caller is None:
        raise NotAuthorized(
            "The secret that was shown is not known here: compare it with http.secret, or with"
            " the secret of an operator, in the configuration of this program."
        )
    return caller


def log_refusal(request: web.Request, refused: NotAuthorized) -> None:
    """Log the address and the reason of a refusal, because the sender may not show its answer."""
    party = request[keys.party]
    if request.config_dict[keys.refusal_log].is_new(f"{party} {refused.message}"):
        log.warning("an HTTP request from %s is refused: %s", party, refused.message)


def principal_of(secret: bytes, settings: WebSettings) -> Server | Operator | None:
    """Return the principal that has a secret, None without one."""
    principals: list[tuple[Server | Operator, str | None]] = [
        (operator, operator.secret) for operator in settings.operators
    ]
    principals.append((SERVER, settings.secret))
    # All secrets are compared, so that the time it takes reveals nothing.
    matching = [
        principal
        for principal, own in principals
        if own and hmac.compare_digest(secret, own.encode())
    ]
    return matching[0] if matching else None


def _secrets(request: web.Request) -> Sequence[str]:
    """Return the different secrets in the headers of a request."""
    secrets = []
    # ejabberd sends headers as they stand in its configuration, blanks included.
    for value in request.headers.getall("Authorization", ()):
        scheme, _, secret = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            secrets.append(secret.strip())
    secrets += [value.strip() for value in request.headers.getall("X-Api-Key", ())]
    return list(dict.fromkeys(secrets))
