"""The application: middlewares from the outside in, what requests find, and the routes."""

from __future__ import annotations

from aiohttp import web

from component.core.access.audit import Audit
from component.core.reading.pages import Pager
from component.core.reading.reader import ArchiveReader
from component.core.remote_data.archive import RemoteArchive
from component.core.remote_data.offline import OfflineStanzas
from component.handlers.archive import HandlerArchive
from component.web.admin import accounts, audit, commands, export
from component.web.admin import archives as admin
from component.web.archive import archives as archives
from component.web.archive import conversations, stream
from component.web.archive.seats import TaskLimit
from component.web.auth import keys
from component.web.auth.authenticate import authenticate
from component.web.auth.guessing import GuessLimit
from component.web.remote_data import archive as remote_data
from component.web.remote_data import auth, offline, rosters
from component.web.server import health
from component.web.server.callers import LogOnce
from component.web.server.errors import errors
from component.web.server.limits import deadline
from component.web.server.readiness import Readiness
from component.web.server.settings import Services, WebSettings

#: Modules whose routes stand below the prefix.
FAMILIES = (
    auth,
    remote_data,
    offline,
    rosters,
    archives,
    conversations,
    stream,
    audit,
    admin,
    accounts,
    commands,
)


def make_app(settings: WebSettings, services: Services) -> web.Application:
    """Return the application over the parts of the program."""
    app = web.Application(
        middlewares=[errors, deadline, authenticate], client_max_size=settings.max_body_bytes
    )
    app[keys.settings] = settings
    app[keys.guessing] = GuessLimit()
    app[keys.refused] = LogOnce()
    app[keys.hosts] = services.hosts
    app[keys.readiness] = Readiness(
        services.storage,
        services.writer,
        services.link,
        services.administration.approval,
        services.background,
    )
    app[keys.jids] = services.jids
    app[keys.administration] = services.administration
    app[keys.commands] = services.commands
    app[keys.accounts] = services.accounts
    app[keys.rosters] = services.rosters
    app[keys.unhurried] = frozenset({stream.follow, export.export})
    _provide_remote_data(app, settings, services)
    _provide_reading(app, settings, services)
    app.add_routes(health.routes)
    prefix = settings.prefix.rstrip("/")
    for family in FAMILIES:
        app.add_routes(family.routes(prefix))
    return app


def _provide_remote_data(app: web.Application, settings: WebSettings, services: Services) -> None:
    """Give requests what answers ejabberd, or the operator's module in its place."""
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
    waiting = app[keys.waiting] = OfflineStanzas(services.storage.offline, services.jids)
    # Whoever was taking some when the server stopped has not got them.
    app.on_cleanup.append(lambda _: waiting.settled())


def _provide_reading(app: web.Application, settings: WebSettings, services: Services) -> None:
    """Give requests the reader of archives, and the bound of streams."""
    app[keys.authorizer] = services.authorizer
    app[keys.audit] = Audit(services.storage.records, services.writer)
    pages = app[keys.pages] = Pager(
        services.storage.archive,
        services.queue,
        usual=settings.page_default,
        most=settings.page_max,
        max_bytes=settings.page_max_bytes,
    )
    app[keys.reader] = ArchiveReader(
        services.authorizer, services.storage, services.queue, pages, services.followers
    )
    streams = app[keys.streams] = TaskLimit(settings.max_streams, settings.max_streams_per_caller)
    app.on_shutdown.append(streams.close)
