"""Tokens of users: {prefix}/v1/tokens.

Passwords and tokens travel in bodies and headers alone, never in a URL, which logs may have. A
ticket may stand in the URL of a live stream.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.errors import BadRequest, NotAuthorized
from component.core.tokens.sign_ins import Tokens
from component.core.tokens.tickets import LIFETIME_SECONDS
from component.core.xml.times import format_time
from component.web import keys
from component.web.archive.models import NoParameters
from component.web.auth.bearer import access_token
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import bare_jid, id_of, routes_at
from component.web.sign_in.answers import SignInList, Ticket, TokenPair
from component.web.sign_in.models import RefreshFields, SignInFields
from storage.rows import SignIn

#: Names the sign-in of the request itself in the place of an id.
CURRENT = "current"


def open_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix that need no access token."""
    return [
        *routes_at(web.post, f"{prefix}/tokens", sign_in),
        *routes_at(web.post, f"{prefix}/tokens/refresh", refresh),
    ]


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix that need an access token."""
    return [
        *routes_at(web.get, f"{prefix}/tokens", listed),
        *routes_at(web.post, f"{prefix}/tokens/tickets", ticket),
        *routes_at(web.delete, f"{prefix}/tokens", revoke_all),
        *routes_at(web.delete, f"{prefix}/tokens/{{id}}", revoke),
    ]


@operation("auth.tokens.sign_in", body=SignInFields, answers={201: TokenPair})
async def sign_in(request: web.Request) -> web.Response:
    """POST {prefix}/v1/tokens: an access token and a refresh token for a password."""
    checked(NoParameters, body.parameters(request))
    fields = checked(SignInFields, await body.fields(request))
    jid = _user(request, fields.jid)
    limit, party = request.config_dict[keys.guess_limit], request[keys.party]
    with limit.attempt(party, jid):
        tokens = await request.app[keys.sign_ins].sign_in(jid, fields.password, fields.label)
    return body.json_response(tokens_json(tokens), status=201)


@operation("auth.tokens.refresh", body=RefreshFields, answers={200: TokenPair})
async def refresh(request: web.Request) -> web.Response:
    """POST {prefix}/v1/tokens/refresh: a new access token and a new refresh token."""
    checked(NoParameters, body.parameters(request))
    fields = checked(RefreshFields, await body.fields(request))
    try:
        tokens = await request.app[keys.sign_ins].refresh(fields.refresh_token)
    except NotAuthorized:
        request.config_dict[keys.guess_limit].check(request[keys.party], None)
        raise
    return body.json_response(tokens_json(tokens))


@operation("auth.tokens.list", answers={200: SignInList})
async def listed(request: web.Request) -> web.Response:
    """GET {prefix}/v1/tokens: the sign-ins of the user, the one that was used last first."""
    checked(NoParameters, body.parameters(request))
    token = access_token(request)
    rows = await request.app[keys.sign_ins].list(token.jid)
    sign_ins = [{**_sign_in(row), "current": row.id == token.sign_in} for row in rows]
    return body.json_response({"jid": token.jid, "sign_ins": sign_ins})


@operation("auth.tokens.ticket", answers={201: Ticket})
async def ticket(request: web.Request) -> web.Response:
    """POST {prefix}/v1/tokens/tickets: a ticket for one live stream."""
    checked(NoParameters, body.parameters(request))
    ticket = request.app[keys.sign_ins].ticket(access_token(request))
    return body.json_response({"ticket": ticket, "expires_in": LIFETIME_SECONDS}, status=201)


@operation("auth.tokens.revoke", answers={204: None})
async def revoke(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/tokens/{id}: sign out, here ("current") or somewhere else."""
    checked(NoParameters, body.parameters(request))
    token, id = access_token(request), id_of(request)
    id = token.sign_in if id == CURRENT else id
    await request.app[keys.sign_ins].revoke(token.jid, id)
    return web.Response(status=204)


@operation("auth.tokens.revoke_all", answers={204: None})
async def revoke_all(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/tokens: sign out everywhere."""
    checked(NoParameters, body.parameters(request))
    await request.app[keys.sign_ins].revoke_all(access_token(request).jid)
    return web.Response(status=204)


def _user(request: web.Request, address: str) -> str:
    """Return a bare JID, prepared. Raises BadRequest."""
    try:
        return bare_jid(request, address)
    except BadRequest as error:
        raise BadRequest(f"jid: {error.message}") from error


def tokens_json(tokens: Tokens) -> dict[str, Any]:
    return {
        **_sign_in(tokens.sign_in),
        "jid": tokens.sign_in.jid,
        # The names of RFC 6749 section 5.1.
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.access_seconds,
        "refresh_token": tokens.refresh_token,
    }


def _sign_in(row: SignIn) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "created": format_time(row.created_at),
        "refreshed": format_time(row.refreshed_at),
        "expires": format_time(row.expires_at),
    }
