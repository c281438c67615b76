"""Sign-in of users, on the public listener: {prefix}/v1/tokens."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from component.web import keys
from component.web.auth.bearer import authenticate_user
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings
from component.web.sign_in import tokens

Routes = Callable[[str], list[web.RouteDef]]


def _make_app(routes: Routes, prefix: str, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(routes(prefix))
    app[keys.hosts] = services.hosts
    app[keys.jids] = services.jids
    return app


def _open(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app(tokens.open_routes, prefix, services)


def _closed(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app(tokens.routes, prefix, services)


#: Takes passwords and refresh tokens.
SIGN_IN = Family(
    name="sign-in",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1",
    authenticate=None,
    needs_sign_in=True,
    make_app=_open,
)

#: Lists and revokes the sign-ins of a user.
SIGN_INS = Family(
    name="sign-ins",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1",
    authenticate=authenticate_user,
    schemes=(Scheme.ACCESS_TOKEN,),
    needs_sign_in=True,
    make_app=_closed,
)
