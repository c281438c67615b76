"""Authenticate callers of the API: by password (Basic, the whole JID) or by a token (Bearer).

ejabberd checks the body, the name of the command and the credentials in this order, so all three
are checked here. A request without credentials is refused: no rule lets everybody in.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.ejabberd_api.callers.oauth import OauthToken
from component.core.ejabberd_api.callers.permissions import Caller
from component.core.ejabberd_api.definitions import LATEST, ApiRole
from component.core.ejabberd_api.refusals import (
    ApiRefusal,
    bad_argument,
    invalid_token,
    unauthorized,
)
from component.core.errors import BadRequest, NotAuthorized, Refused
from component.web import keys
from component.web.ejabberd_api.responses import refusal
from component.web.server import body

#: The text of ejabberd for a body that is no JSON object.
_NO_OBJECT = "400 Bad Request"


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The caller of a request, and what it sent."""

    caller: Caller
    given: Sequence[tuple[str, object]] = field(repr=False)
    password: str | None = field(default=None, repr=False)


@web.middleware
async def authenticate_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on requests of accounts, and answer refusals in the dialect of the request."""
    version = version_of(request)
    try:
        try:
            request[AUTHENTICATED] = await _authenticated(request, version)
            return await handler(request)
        except Refused as refused:
            raise ApiRefusal.of(refused) from refused
    except ApiRefusal as refused:
        return refusal(refused, version)


def version_of(request: web.Request) -> int | None:
    """Return the API version in the path, None in the document's dialect.

    As in ejabberd, a version that is not known yet is the newest one.
    """
    text = request.match_info.get("version")
    return None if text is None else min(int(text[1:]), LATEST)


async def _authenticated(request: web.Request, version: int | None) -> Authenticated:
    """Return the caller. Raises ApiRefusal, Refused."""
    given: Sequence[tuple[str, object]] = ()
    command = request.match_info.get("command")
    if command is not None:
        given = await _given(request, is_documented=version is None)
        request.app[keys.ejabberd_api].find(command)
    scheme, credentials = _authorization(request)
    if scheme == "bearer":
        return Authenticated(await _bearer(request, credentials), given)
    if scheme == "basic":
        caller, password = await _basic(request, credentials)
        return Authenticated(caller, given, password)
    raise unauthorized()


async def _given(request: web.Request, *, is_documented: bool) -> Sequence[tuple[str, object]]:
    """Return the arguments of a request, each as often as it has them. Raises ApiRefusal.

    Of an argument that a body has twice ejabberd takes the first one, since 24.12 at the latest.
    In the document's dialect that is a mistake, which the check of the arguments finds.
    """
    if request.method == "GET":
        return list(request.query.items())
    raw = await body.read(request)
    if not raw:
        raise bad_argument("Missing POST data", "missing_body")
    if raw == b"\n":
        return ()
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_argument(_NO_OBJECT, "invalid_json") from error
    if not isinstance(data, dict):
        raise bad_argument(_NO_OBJECT, "invalid_json")
    if raw.count(b":") == len(data):
        # Each name needs a colon, so none is there twice.
        return list(data.items())
    pairs = _pairs(raw)
    if is_documented:
        return pairs
    first: dict[str, object] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    return list(first.items())


def _pairs(raw: bytes) -> list[tuple[str, object]]:
    """Return the names and values of a JSON object in their order. Raises ApiRefusal."""
    objects: list[list[tuple[str, object]]] = []

    def as_dict(pairs: list[tuple[str, object]]) -> dict[str, object]:
        objects[:] = [pairs]
        return dict(pairs)

    try:
        json.loads(raw, object_pairs_hook=as_dict)
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or an object in thousands of others.
        raise bad_argument(_NO_OBJECT, "invalid_json") from error
    # The outermost object is complete last.
    return objects[-1]


def _authorization(request: web.Request) -> tuple[str, str]:
    """Return the scheme, in lower case, and the credentials; both are empty without a header."""
    headers = request.headers.getall("Authorization", ())
    if len(headers) != 1:
        return "", ""
    scheme, _, credentials = headers[0].strip().partition(" ")
    return scheme.lower(), credentials.strip()


async def _bearer(request: web.Request, token: str) -> Caller:
    """Return the account of an access token. Raises ApiRefusal, RateLimited, Overloaded."""
    sign_ins = request.app.get(keys.sign_ins)
    if sign_ins is not None:
        try:
            jid = (await sign_ins.verify(token)).jid
            return request.app[keys.ejabberd_api].permissions.caller(jid)
        except NotAuthorized:
            if sign_ins.is_access_token(token):
                # It has expired or was revoked: its owner guesses nothing.
                raise invalid_token() from None
    limit, party = request.config_dict[keys.guess_limit], request[keys.party]
    oauth = request.app.get(keys.oauth_tokens)
    if oauth is None:
        limit.check(party, None)
        raise invalid_token()
    try:
        # Under the name of the token alone: who has one could guess those of others otherwise.
        with limit.attempt(party, sha256(token.encode(errors="replace")).hexdigest()):
            return _of_oauth(request, await oauth.find(token))
    except NotAuthorized:
        raise invalid_token() from None


def _of_oauth(request: web.Request, token: OauthToken | None) -> Caller:
    """Return the account of a token that ejabberd issued. Raises NotAuthorized."""
    if token is None or not request.app[keys.hosts].is_user(token.jid):
        raise NotAuthorized
    caller = request.app[keys.ejabberd_api].permissions.caller(token.jid)
    return caller if token.is_admin else replace(caller, role=ApiRole.USER)


async def _basic(request: web.Request, credentials: str) -> tuple[Caller, str]:
    """Return the account and its password. Raises ApiRefusal, RateLimited, Overloaded."""
    try:
        name, colon, password = b64decode(credentials, validate=True).decode().partition(":")
        jid = request.app[keys.jids].prepare(name)
    except (ValueError, BadRequest):
        raise unauthorized() from None
    if not colon or "/" in jid or not request.app[keys.hosts].is_user(jid):
        raise unauthorized()
    limit, party = request.config_dict[keys.guess_limit], request[keys.party]
    sign_ins, passwords = request.app.get(keys.sign_ins), request.app[keys.checked_passwords]
    is_token = sign_ins is not None and sign_ins.is_access_token(password)
    try:
        with limit.attempt(party, jid):
            if not await passwords.is_right(jid, password, is_token=is_token):
                raise NotAuthorized
    except NotAuthorized:
        raise unauthorized() from None
    return request.app[keys.ejabberd_api].permissions.caller(jid), password


AUTHENTICATED = web.RequestKey("authenticated", Authenticated)
