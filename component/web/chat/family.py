"""The chat API, on the public listener: {prefix}/v1/chat, for users."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.auth.bearer import authenticate_user
from component.web.chat import (
    conversations,
    live,
    profiles,
    rooms,
    search,
    sign_up,
    socket,
    typing,
    uploads,
    users,
)
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings

#: The modules with routes.
MODULES = (users, profiles, rooms, conversations, search, typing, uploads, live, socket)


def _users(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app([route for module in MODULES for route in module.routes(prefix)], services)


def _strangers(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app(sign_up.routes(prefix), services)


def _make_app(routes: list[web.RouteDef], services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    app[keys.jids] = services.jids
    app[keys.hosts] = services.hosts
    if services.chat is not None:
        app[keys.chat] = services.chat
    return app


#: Everything is about the user of the token.
CHAT = Family(
    name="chat",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1/chat",
    authenticate=authenticate_user,
    schemes=(Scheme.ACCESS_TOKEN,),
    needs_sign_in=True,
    needs_chat=True,
    streaming_handlers=frozenset({live.events, live.follow, socket.follow}),
    ticket_handlers=frozenset({live.follow, socket.follow}),
    make_app=_users,
)

#: Strangers create accounts.
CHAT_SIGN_UP = Family(
    name="chat sign-up",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1/chat",
    authenticate=None,
    needs_sign_in=True,
    needs_chat=True,
    make_app=_strangers,
)
