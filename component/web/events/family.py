"""The events API, on the public listener: {prefix}/v1/archives/{owner}/events, for users."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.auth.bearer import authenticate_user
from component.web.events import polls, stream
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings, events_of


def _make_app(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    for module in (polls, stream):
        app.add_routes(module.routes(prefix))
    app[keys.jids] = services.jids
    app[keys.events] = events_of(settings, services)
    return app


#: A user reads the events of the own account.
EVENTS = Family(
    name="events",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1",
    authenticate=authenticate_user,
    schemes=(Scheme.ACCESS_TOKEN,),
    needs_sign_in=True,
    streaming_handlers=frozenset({polls.events, stream.follow}),
    ticket_handlers=frozenset({stream.follow}),
    make_app=_make_app,
)
