"""Authenticate requests by the access token of a sign-in, and sign users in."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from component.core.access.principals import User
from component.core.errors import BadRequest, NotAuthorized, Refused
from component.core.xml.jids import domain, local, resource
from component.web import keys
from component.web.auth.bearer import verified
from component.web.drf.errors import (
    ContractRefusal,
    no_account,
    not_authenticated,
    refresh_not_valid,
    token_not_valid,
)
from component.web.server import body
from component.web.server.settings import WebSettings


def authenticate(refusal_status: Callable[[WebSettings], int]) -> Middleware:
    """Return a middleware that passes on requests with an access token, with their user.

    `refusal_status` returns the status of the answer to others.
    """

    @web.middleware
    async def authenticate_token(request: web.Request, handler: Handler) -> web.StreamResponse:
        status = refusal_status(request.app[keys.settings])
        scheme, _, _ = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            raise not_authenticated(status)
        try:
            token = await verified(request)
        except NotAuthorized:
            raise token_not_valid(status) from None
        request[keys.principal] = User(token.jid)
        request[keys.access_token] = token
        return await handler(request)

    return authenticate_token


async def signed_in(request: web.Request, jid: str, password: str, label: str) -> web.Response:
    """Return the tokens of a new sign-in. Raises ContractRefusal for a wrong password."""
    limit, party = request.config_dict[keys.guess_limit], request[keys.party]
    try:
        with limit.attempt(party, jid):
            tokens = await request.app[keys.sign_ins].sign_in(jid, password, label)
    except NotAuthorized:
        raise no_account() from None
    return body.json_response({"refresh": tokens.refresh_token, "access": tokens.access_token})


async def refreshed(request: web.Request, refresh_token: str) -> web.Response:
    """Return a new access token for a refresh token, which stays valid."""
    try:
        access = await request.app[keys.sign_ins].renew_access(refresh_token)
    except NotAuthorized:
        request.config_dict[keys.guess_limit].check(request[keys.party], None)
        raise refresh_not_valid() from None
    return body.json_response({"access": access})


def host_of(request: web.Request, configured: str | None) -> str:
    """Return the virtual host of user names."""
    return configured or request.app[keys.hosts].default


def jid_of_name(request: web.Request, name: str, host: str) -> str | None:
    """Return the bare JID of a user name, a local part or a JID; None: there can be none."""
    try:
        jid = request.app[keys.jids].prepare(name if "@" in name else f"{name}@{host}")
    except BadRequest:
        return None
    return jid if local(jid) and not resource(jid) else None


def name_of_jid(jid: str, host: str) -> str:
    """Return the user name of a JID: the local part, on another host the JID."""
    return local(jid) if domain(jid) == host else jid


def refused(name: str, refusal: Refused) -> ContractRefusal:
    """Return a refusal about a field."""
    return ContractRefusal({name: [refusal.message]}, refusal.status)
