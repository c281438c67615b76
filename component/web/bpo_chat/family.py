"""bpo-chat-api's API, on the public listener: {bpo_chat}/users and {bpo_chat}/chats."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.bpo_chat import chats, messages, users
from component.web.drf.answers import FormError
from component.web.drf.authenticate import authenticate
from component.web.drf.errors import response
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings


def _make_app(routes: list[web.RouteDef], services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    app[keys.jids] = services.jids
    app[keys.hosts] = services.hosts
    if services.chat is not None:
        app[keys.chat] = services.chat
    return app


def _open(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app(users.open_routes(prefix), services)


def _closed(prefix: str, _: WebSettings, services: Services) -> web.Application:
    modules = (users, chats, messages)
    return _make_app([route for module in modules for route in module.routes(prefix)], services)


#: Creates accounts, and takes passwords and refresh tokens.
BPO_CHAT_OPEN = Family(
    name="bpo-chat open",
    listener=Listener.PUBLIC,
    prefix="{bpo_chat}",
    authenticate=None,
    error_shape=response,
    error_body=FormError,
    needs_sign_in=True,
    needs_chat=True,
    needs_bpo_chat=True,
    make_app=_open,
)

#: Everything is about the user of the token.
BPO_CHAT = Family(
    name="bpo-chat",
    listener=Listener.PUBLIC,
    prefix="{bpo_chat}",
    authenticate=authenticate(lambda _: 401),
    schemes=(Scheme.ACCESS_TOKEN,),
    error_shape=response,
    error_body=FormError,
    needs_sign_in=True,
    needs_chat=True,
    needs_bpo_chat=True,
    make_app=_closed,
)
