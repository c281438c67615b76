"""Authenticate requests of users: by the access token of a sign-in (RFC 6750), or by a ticket."""

from __future__ import annotations

import asyncio
from time import time

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access.principals import User
from component.core.errors import NotAuthorized
from component.core.tokens.access_tokens import AccessToken, ExpiredToken
from component.web import keys
from component.web.server import body

#: The parameter of a query that has a ticket.
TICKET = "ticket"

_HOW = "Authorization: Bearer ACCESS-TOKEN"


@web.middleware
async def authenticate_user(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on requests with the access token of a user, with the user as principal.

    A live stream accepts a ticket instead of the token, because EventSource of browsers sends no
    header.
    """
    token = await (_redeemed(request) if _has_ticket(request) else verified(request))
    request[keys.principal] = User(token.jid)
    request[keys.access_token] = token
    return await handler(request)


def access_token(request: web.Request) -> AccessToken:
    """Return the access token of a request."""
    return request[keys.access_token]


def _has_ticket(request: web.Request) -> bool:
    is_accepted = request.match_info.handler in request.app[keys.ticket_handlers]
    return is_accepted and TICKET in request.query


async def _redeemed(request: web.Request) -> AccessToken:
    """Return the claims of the token that a ticket stands for. Raises NotAuthorized, Overloaded.

    A wrong ticket is no guess: it is too long to be guessed, and a browser that has lost a stream
    repeats the used ticket by itself.
    """
    tickets = request.query.getall(TICKET)
    if len(tickets) != 1 or "Authorization" in request.headers:
        raise NotAuthorized("Show one ticket, or one access token in a header.")
    return await request.app[keys.sign_ins].redeem(tickets[0])


def stream_parameters(request: web.Request, *lists: str) -> dict[str, str | list[str]]:
    """Return the parameters of the query of a stream, as `body.parameters` does.

    The ticket is left out on the public listener, where a user has shown it already.
    """
    values = body.parameters(request, *lists)
    if keys.access_token in request:
        values.pop(TICKET, None)
    return values


def seconds_left(request: web.Request) -> float | None:
    """Return the number of seconds for which a request is authenticated; None: for ever."""
    token = request.get(keys.access_token)
    return None if token is None else max(0.0, token.expires_at - time())


async def wait_ended(request: web.Request, *, pause: float) -> None:
    """Return once a request is not authenticated any more; that of an operator always is.

    `pause` is the number of seconds between two looks at the store.
    """
    token = request.get(keys.access_token)
    if token is None:
        await asyncio.Event().wait()
    else:
        await request.app[keys.sign_ins].wait_ended(token, pause=pause)


async def check(request: web.Request) -> None:
    """Raise NotAuthorized if the sign-in of a request has ended meanwhile, Overloaded."""
    await request.app[keys.sign_ins].check(access_token(request))


async def verified(request: web.Request) -> AccessToken:
    """Return the claims of the access token in the header.

    Raises NotAuthorized, RateLimited, Overloaded.
    """
    headers = request.headers.getall("Authorization", ())
    if len(headers) != 1:
        raise NotAuthorized(f"Show one access token, in a header {_HOW}.")
    scheme, _, text = headers[0].strip().partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorized(f"The header has to be {_HOW}.")
    try:
        return await request.app[keys.sign_ins].verify(text.strip())
    except ExpiredToken:
        # It was right before: its owner guesses nothing.
        raise
    except NotAuthorized:
        request.config_dict[keys.guess_limit].check(request[keys.party], None)
        raise
