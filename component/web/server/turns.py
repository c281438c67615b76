"""Turns of requests of users: the many requests of one account do not delay others."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access.principals import User
from component.core.errors import Overloaded
from component.core.turns import TurnLimits
from component.web import keys

#: A page for browsers sends a few requests at once. The listener limits the time for which one
#: waits.
LIMITS = TurnLimits(at_once=256, at_once_each=4, pending_each=250)


@web.middleware
async def in_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on a request when it is the turn of its account; those of servers have no turns.

    Of a stream or a poll only the beginning is a turn, because it lasts as long as its caller
    likes.
    """
    account = _account(request)
    if account is None:
        return await handler(request)
    turns = request.config_dict[keys.turns]
    if request.match_info.handler in request.app[keys.streaming_handlers]:
        async with turns.of(account):
            pass
        return await handler(request)
    async with turns.of(account):
        if request.transport is None or request.transport.is_closing():
            # The caller has gone while the request waited, and gets no answer.
            raise Overloaded
        return await handler(request)


def _account(request: web.Request) -> str | None:
    """Return the account that a request belongs to, None for a server, an operator or nobody."""
    principal = request.get(keys.principal)
    if isinstance(principal, User):
        return principal.jid
    session = request.get(keys.gateway_session)
    return None if session is None else session.jid
