"""Push subscriptions, on the public listener: {prefix}/v1/push-subscriptions, for users."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.auth.bearer import authenticate_user
from component.web.push import subscriptions
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings


def _make_app(prefix: str, _: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(subscriptions.routes(prefix))
    if services.push is not None:
        app[keys.push] = services.push
    return app


#: A user subscribes receivers to the events of the own account.
PUSH = Family(
    name="push",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1",
    authenticate=authenticate_user,
    schemes=(Scheme.ACCESS_TOKEN,),
    needs_sign_in=True,
    make_app=_make_app,
)
