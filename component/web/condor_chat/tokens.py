"""Sign-in: {condor_chat}/access_token/ and {condor_chat}/refresh_token/."""

from __future__ import annotations

from aiohttp import web

from component.web.condor_chat.answers import SignInBody
from component.web.condor_chat.requests import host
from component.web.drf.answers import FormAccess, FormTokens, RefreshBody
from component.web.drf.authenticate import jid_of_name, refreshed, signed_in
from component.web.drf.errors import no_account
from component.web.drf.fields import fields_of
from component.web.drf.paths import slashed
from component.web.server.operation import operation

_LABEL = "condor_chat"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *slashed(web.post, f"{prefix}/access_token/", sign_in),
        *slashed(web.post, f"{prefix}/refresh_token/", refresh),
    ]


@operation(
    "condor_chat.tokens.sign_in", body=SignInBody, takes_forms=True, answers={200: FormTokens}
)
async def sign_in(request: web.Request) -> web.Response:
    """POST {condor_chat}/access_token/: tokens for a user name and a password."""
    fields = await fields_of(request)
    username, password = fields.text("username"), fields.text("password", strip=False)
    fields.check()
    jid = jid_of_name(request, username, host(request))
    if jid is None:
        raise no_account()
    return await signed_in(request, jid, password, _LABEL)


@operation(
    "condor_chat.tokens.refresh", body=RefreshBody, takes_forms=True, answers={200: FormAccess}
)
async def refresh(request: web.Request) -> web.Response:
    """POST {condor_chat}/refresh_token/: a new access token; the refresh token stays."""
    fields = await fields_of(request)
    token = fields.text("refresh")
    fields.check()
    return await refreshed(request, token)
