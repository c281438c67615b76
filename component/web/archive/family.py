"""The archive API, for operators and the server: {prefix}/v1/archives/{owner}."""

from __future__ import annotations

from aiohttp import web

from component.core.reading.reader import ArchiveReader
from component.web import keys
from component.web.archive import archives, conversations, stream
from component.web.auth.authenticate import authenticate
from component.web.server.family import Family
from component.web.server.settings import Listener, Services, WebSettings, pager_of


def _make_app(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    for module in (archives, conversations, stream):
        app.add_routes(module.routes(prefix))
    app[keys.administration] = services.administration
    app[keys.jids] = services.jids
    app[keys.reader] = ArchiveReader(
        services.authorizer,
        services.storage,
        services.queue,
        pager_of(settings, services),
        services.followers,
        services.displayed,
    )
    return app


ARCHIVE = Family(
    name="archive",
    listener=Listener.PRIVATE,
    prefix="{prefix}/v1",
    authenticate=authenticate,
    streaming_handlers=frozenset({stream.follow}),
    make_app=_make_app,
)
