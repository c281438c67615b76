"""Remote Data, for ejabberd: {prefix}/auth, /user, /roster, /archive, /offline."""

from __future__ import annotations

from aiohttp import web

from component.core.remote_data.archive import RemoteArchive
from component.core.remote_data.offline import OfflineStanzas
from component.handlers.archive import HandlerArchive
from component.web import keys
from component.web.auth.authenticate import authenticate
from component.web.remote_data import archive, auth, offline, rosters
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings


def _make_app(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    for module in (auth, archive, offline, rosters):
        app.add_routes(module.routes(prefix))
    app[keys.handler_archive] = HandlerArchive(services.handlers)
    app[keys.remote_archive] = RemoteArchive(
        services.storage.archive,
        services.writer,
        services.jids,
        queue=services.queue,
        served=services.administration.served,
        max_items=settings.max_items,
        max_bytes=settings.page_max_bytes,
    )
    app[keys.accounts] = services.accounts
    app[keys.administration] = services.administration
    app[keys.hosts] = services.hosts
    app[keys.jids] = services.jids
    app[keys.rosters] = services.rosters
    waiting = app[keys.offline_stanzas] = OfflineStanzas(services.storage.offline, services.jids)
    # If the server stops while it sends stanzas to a caller, it puts the stanzas back.
    app.on_cleanup.append(lambda _: waiting.wait_for_returns())
    return app


REMOTE_DATA = Family(
    name="Remote Data",
    listener=Listener.PRIVATE,
    prefix="{prefix}",
    authenticate=authenticate,
    schemes=(Scheme.SECRET, Scheme.API_KEY),
    make_app=_make_app,
)
