"""Authenticate requests to the gateway: by the token of the session in the path."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.gateway.errors import AuthError, MissingToken
from component.core.gateway.sessions import GatewaySession
from component.core.gateway.settings import GatewaySettings
from component.web import keys


@web.middleware
async def authenticate_session(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on requests with the token of the session in the path, with that session."""
    id = request.match_info.get("session_id")
    if id is None:
        # There is nothing at this path.
        return await handler(request)
    token = _token(request)
    gateway = request.app[keys.gateway]
    try:
        request[keys.gateway_session] = await gateway.sessions.verify(id, token)
    except AuthError:
        request.config_dict[keys.guess_limit].check(request[keys.party], None)
        raise
    gateway.sessions.use(session(request).jid)
    return await handler(request)


def session(request: web.Request) -> GatewaySession:
    """Return the session of a request."""
    return request[keys.gateway_session]


def settings(request: web.Request) -> GatewaySettings:
    """Return the settings of the gateway."""
    return request.app[keys.settings].gateway


def _token(request: web.Request) -> str:
    """Return the token in the header. Raises MissingToken, AuthError."""
    headers = request.headers.getall("Authorization", ())
    if not headers:
        raise MissingToken(settings(request).missing_token_status)
    scheme, _, token = headers[0].strip().partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer":
        raise AuthError
    return token.strip()
