"""The figures of the REST gateway on the private listener: {gateway}/server-status."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.auth.authenticate import authenticate
from component.web.gateway import status
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings


def _make_app(prefix: str, _: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(status.routes(prefix))
    if services.gateway is not None:
        app[keys.gateway] = services.gateway
    return app


#: Tells operators how many sessions there are.
GATEWAY_STATUS = Family(
    name="gateway status",
    listener=Listener.PRIVATE,
    prefix="{gateway}",
    authenticate=authenticate,
    schemes=(Scheme.SECRET, Scheme.API_KEY),
    needs_gateway=True,
    make_app=_make_app,
)
