"""condor_chat's API, on the public listener: {condor_chat}/..."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.condor_chat import messages, pictures, rooms, tokens, users
from component.web.condor_chat.requests import settings_of
from component.web.drf.answers import FormError
from component.web.drf.authenticate import authenticate
from component.web.drf.errors import response
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings


def _refusal_status(settings: WebSettings) -> int:
    return settings_of(settings).refusal_status


def _make_app(routes: list[web.RouteDef], services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    app[keys.jids] = services.jids
    app[keys.hosts] = services.hosts
    if services.chat is not None:
        app[keys.chat] = services.chat
    return app


def _open(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app([*tokens.routes(prefix), *pictures.open_routes(prefix)], services)


def _closed(prefix: str, _: WebSettings, services: Services) -> web.Application:
    modules = (users, pictures, rooms, messages)
    routes = [route for module in modules for route in module.routes(prefix)]
    return _make_app(routes, services)


#: Takes passwords and refresh tokens, and shows pictures at signed addresses.
CONDOR_CHAT_OPEN = Family(
    name="condor_chat open",
    listener=Listener.PUBLIC,
    prefix="{condor_chat}",
    authenticate=None,
    error_shape=response,
    error_body=FormError,
    needs_sign_in=True,
    needs_chat=True,
    needs_condor_chat=True,
    make_app=_open,
)

#: Everything is about the user of the token.
CONDOR_CHAT = Family(
    name="condor_chat",
    listener=Listener.PUBLIC,
    prefix="{condor_chat}",
    authenticate=authenticate(_refusal_status),
    schemes=(Scheme.ACCESS_TOKEN,),
    error_shape=response,
    error_body=FormError,
    needs_sign_in=True,
    needs_chat=True,
    needs_condor_chat=True,
    make_app=_closed,
)
