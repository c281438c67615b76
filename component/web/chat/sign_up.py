"""Sign-up of strangers: {prefix}/v1/chat/sign-up."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.archive.models import NoParameters
from component.web.chat.answers import SignUpRules
from component.web.chat.models import SignUpFields
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import bare_jid, routes_at
from component.web.sign_in.answers import TokenPair
from component.web.sign_in.tokens import tokens_json

_PATH = "/sign-up"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}{_PATH}", rules),
        *routes_at(web.post, f"{prefix}{_PATH}", sign_up),
    ]


@operation("chat.sign_up.rules", answers={200: SignUpRules})
async def rules(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/sign-up: whether strangers may create accounts, and how."""
    checked(NoParameters, body.parameters(request))
    chat = request.app[keys.chat]
    return body.json_response(
        {
            "allowed": chat.sign_up.is_allowed,
            "domain": chat.sign_up.host,
            "password_min": chat.settings.password_min,
            "password_max": chat.settings.password_max,
        }
    )


@operation("chat.sign_up.create", body=SignUpFields, answers={201: TokenPair})
async def sign_up(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/sign-up: create an account, and sign in."""
    checked(NoParameters, body.parameters(request))
    fields = checked(SignUpFields, await body.fields(request))
    jid, chat = bare_jid(request, fields.jid), request.app[keys.chat]
    await chat.sign_up.sign_up(request[keys.party], jid, fields.password, name=fields.name)
    tokens = await request.app[keys.sign_ins].sign_in(jid, fields.password)
    return body.json_response(tokens_json(tokens), status=201)
