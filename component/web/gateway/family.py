"""The REST gateway, on the public listener: {gateway}/start-session and {gateway}/sessions."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.gateway import contacts, feed, messages, sessions, start, status
from component.web.gateway.answers import GatewayError
from component.web.gateway.authenticate import authenticate_session
from component.web.gateway.errors import response
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings


def _make_app(routes: list[web.RouteDef], services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    app[keys.hosts] = services.hosts
    app[keys.jids] = services.jids
    if services.gateway is not None:
        app[keys.gateway] = services.gateway
    return app


def _closed(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    has_changes = settings.gateway.changes_by_get
    routes = [
        *sessions.routes(prefix, changes_by_get=has_changes),
        *contacts.routes(prefix, changes_by_get=has_changes),
        *messages.routes(prefix),
        *feed.routes(prefix),
    ]
    return _make_app(routes, services)


def _open(prefix: str, _: WebSettings, services: Services) -> web.Application:
    return _make_app([*start.routes(prefix), *status.public_routes(prefix)], services)


#: Starts sessions, and says how many there are if everybody may know that.
GATEWAY_START = Family(
    name="gateway start",
    listener=Listener.PUBLIC,
    prefix="{gateway}",
    authenticate=None,
    error_shape=response,
    error_body=GatewayError,
    needs_gateway=True,
    make_app=_open,
)

#: What a program does with the session of its user.
GATEWAY = Family(
    name="gateway",
    listener=Listener.PUBLIC,
    prefix="{gateway}",
    authenticate=authenticate_session,
    schemes=(Scheme.GATEWAY_SESSION,),
    error_shape=response,
    error_body=GatewayError,
    needs_gateway=True,
    make_app=_closed,
    streaming_handlers=frozenset({feed.feed, feed.notification}),
)
