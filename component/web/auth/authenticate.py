"""Who may call, and what: with the secret of the server or of an operator, or from near."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access.principals import SERVER, Operator, Role
from component.core.errors import Forbidden, NotAuthorized
from component.web.auth import keys, trust
from component.web.server.addresses import party_of
from component.web.server.settings import WebSettings

log = logging.getLogger(__name__)

_HOW = "Authorization: Bearer SECRET, or X-Api-Key: SECRET"

#: Headers by which a caller shows who it is.
_SHOWING = ("Authorization", "X-Api-Key")


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let those requests through that show a secret, or may be trusted without one."""
    try:
        request[keys.operator] = _caller(request, request.app[keys.settings])
    except NotAuthorized as refused:
        _tell(request, refused)
        raise
    return await handler(request)


def operator(request: web.Request) -> Operator:
    """Return who calls."""
    return request[keys.operator]


def require(request: web.Request, role: Role) -> Operator:
    """Return who calls, if that is somebody of this role or above. Raises Forbidden."""
    caller = operator(request)
    if role is Role.ADMIN and caller.role is not Role.ADMIN:
        raise Forbidden(f'This is for operators of the role "{role}".')
    return caller


def require_server(request: web.Request) -> None:
    """Return if it is the server that calls. Raises Forbidden."""
    if operator(request) != SERVER:
        raise Forbidden("This is for the server itself, not for operators.")


def _caller(request: web.Request, settings: WebSettings) -> Operator:
    """Return who calls. Raises NotAuthorized, Slowed, Misdirected."""
    if not any(name in request.headers for name in _SHOWING):
        if not settings.trusts_network:
            raise NotAuthorized(f"No secret was shown: send a header {_HOW}.")
        trust.check(request, settings)
        return SERVER
    # A secret that is nobody's is a mistake, not a caller without one.
    shown = _shown(request)
    if len(shown) != 1:
        raise NotAuthorized(f"Show one secret, in a header {_HOW}.")
    caller = _whose(shown[0].encode(errors="surrogateescape"), settings)
    name = caller.name if caller else None
    request.config_dict[keys.guessing].judge(party_of(request.transport), name)
    if caller is None:
        raise NotAuthorized(
            "The secret that was shown is not known here: compare it with http.secret, or with"
            " the secret of an operator, in the configuration of this program."
        )
    return caller


def _tell(request: web.Request, refused: NotAuthorized) -> None:
    """Have the log say from where something is asked in vain, and why: callers may not show it."""
    party = party_of(request.transport)
    if request.config_dict[keys.refused].is_news(f"{party} {refused.message}"):
        log.warning("refused over HTTP, from %s: %s", party, refused.message)


def _whose(shown: bytes, settings: WebSettings) -> Operator | None:
    """Return whose secret it is, None if it is nobody's."""
    known = [(each, each.secret) for each in settings.operators]
    known.append((SERVER, settings.secret))
    # All are compared, so that the time it takes tells nothing.
    found = [
        each for each, secret in known if secret and hmac.compare_digest(shown, secret.encode())
    ]
    return found[0] if found else None


def _shown(request: web.Request) -> Sequence[str]:
    """Return the secrets that are shown, each once."""
    shown = []
    # ejabberd passes headers on as they stand in its configuration, blanks included.
    for value in request.headers.getall("Authorization", ()):
        scheme, _, secret = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            shown.append(secret.strip())
    shown += [value.strip() for value in request.headers.getall("X-Api-Key", ())]
    return list(dict.fromkeys(shown))
