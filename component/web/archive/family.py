"""The archive API: {prefix}/v1/archives/{owner}, for operators and the server, and for users."""

from __future__ import annotations

from aiohttp import web

from component.core.access.authorize import Authorizer
from component.core.reading.reader import ArchiveReader
from component.web import keys
from component.web.archive import archives, conversations, rosters, sending, session, stream
from component.web.auth.authenticate import authenticate
from component.web.auth.bearer import authenticate_user
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings, pager_of


def _operators(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    return _make_app(prefix, settings, services, services.authorizer)


def _users(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = _make_app(
        prefix, settings, services, services.authorizer.for_users(services.opened.admits)
    )
    app.add_routes(rosters.routes(prefix))
    app.add_routes(sending.routes(prefix))
    app.add_routes(session.routes(prefix))
    app[keys.rosters] = services.rosters
    if services.sender is not None:
        app[keys.sender] = services.sender
    if services.session_actions is not None:
        app[keys.session_actions] = services.session_actions
    return app


def _make_app(
    prefix: str, settings: WebSettings, services: Services, authorizer: Authorizer
) -> web.Application:
    app = web.Application()
    for module in (archives, conversations, stream):
        app.add_routes(module.routes(prefix))
    app[keys.administration] = services.administration
    app[keys.jids] = services.jids
    app[keys.reader] = ArchiveReader(
        authorizer,
        services.storage,
        services.queue,
        pager_of(settings, services),
        services.followers,
        services.displayed,
        services.gaps,
    )
    return app


ARCHIVE = Family(
    name="archive",
    listener=Listener.PRIVATE,
    prefix="{prefix}/v1",
    authenticate=authenticate,
    schemes=(Scheme.SECRET, Scheme.API_KEY),
    streaming_handlers=frozenset({stream.follow}),
    make_app=_operators,
)

#: Users read their own archives, and those of rooms that would admit them.
OWN_ARCHIVE = Family(
    name="own archive",
    listener=Listener.PUBLIC,
    prefix="{prefix}/v1",
    authenticate=authenticate_user,
    schemes=(Scheme.ACCESS_TOKEN,),
    needs_sign_in=True,
    streaming_handlers=frozenset({stream.follow}),
    ticket_handlers=frozenset({stream.follow}),
    make_app=_users,
)
