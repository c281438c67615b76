"""ejabberd's API on the public listener, in the document's dialect and in those of ejabberd."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from component.web import keys
from component.web.ejabberd_api import calls
from component.web.ejabberd_api.authentication import authenticate_caller
from component.web.ejabberd_api.operations import DocumentedFault, VersionedError
from component.web.ejabberd_api.responses import documented_shape, versioned_shape
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings

Routes = Callable[[str], list[web.RouteDef]]


def _make_app(routes: Routes, prefix: str, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(routes(prefix))
    app[keys.hosts] = services.hosts
    app[keys.jids] = services.jids
    if services.ejabberd_api is not None:
        app[keys.ejabberd_api] = services.ejabberd_api
    if services.checked_passwords is not None:
        app[keys.checked_passwords] = services.checked_passwords
    if services.oauth_tokens is not None:
        app[keys.oauth_tokens] = services.oauth_tokens
    return app


def _documented(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app(calls.documented_routes, prefix, services)


def _versioned(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app(calls.versioned_routes, prefix, services)


#: Routes of other families at the same paths go first: no command of ejabberd has their names.
VERSIONED_EJABBERD_API = Family(
    name="versioned ejabberd API",
    listener=Listener.PUBLIC,
    prefix="{ejabberd_api}",
    authenticate=authenticate_caller,
    schemes=(Scheme.ACCOUNT, Scheme.ACCESS_TOKEN),
    needs_ejabberd_api=True,
    error_shape=versioned_shape,
    error_body=VersionedError,
    make_app=_versioned,
)

EJABBERD_API = Family(
    name="ejabberd API",
    listener=Listener.PUBLIC,
    prefix="{ejabberd_api}",
    authenticate=authenticate_caller,
    schemes=(Scheme.ACCOUNT, Scheme.ACCESS_TOKEN),
    needs_ejabberd_api=True,
    error_shape=documented_shape,
    error_body=DocumentedFault,
    make_app=_documented,
)
