"""The application: middlewares from the outside in, what requests find, and the routes."""

from __future__ import annotations

from aiohttp import web

from component.core.audit import Audit
from component.core.conversations import Conversations
from component.core.following import Following
from component.core.reading import Reading
from component.core.remote_data import RemoteArchive
from component.web import (
    admin,
    admin_export,
    archives,
    audit,
    conversations,
    health,
    keys,
    remote_data,
    stream,
)
from component.web.auth import authenticate
from component.web.errors import errors
from component.web.limits import deadline
from component.web.readiness import Readiness
from component.web.seats import Seats
from component.web.settings import Services, WebSettings


def make_app(settings: WebSettings, services: Services) -> web.Application:
    """Return the application over the parts of the program."""
    app = web.Application(
        middlewares=[errors, deadline, authenticate], client_max_size=settings.max_body_bytes
    )
    app[keys.settings] = settings
    app[keys.hosts] = services.hosts
    app[keys.remote_archive] = RemoteArchive(
        services.storage.archive,
        services.writer,
        services.jids,
        max_items=settings.max_items,
    )
    app[keys.readiness] = Readiness(services.storage, services.writer, services.link)
    app[keys.jids] = services.jids
    app[keys.administration] = services.administration
    app[keys.unhurried] = frozenset({stream.follow, admin_export.export})
    _provide_reading(app, settings, services)
    app.add_routes(health.routes)
    prefix = settings.prefix.rstrip("/")
    for family in (remote_data, archives, conversations, stream, audit, admin):
        app.add_routes(family.routes(prefix))
    return app


def _provide_reading(app: web.Application, settings: WebSettings, services: Services) -> None:
    """Give requests what reads archives of others."""
    archive, queue = services.storage.archive, services.queue
    log = app[keys.audit] = Audit(services.storage.records)
    reading = app[keys.reading] = Reading(
        archive,
        services.storage.keeping,
        queue,
        log,
        page_default=settings.page_default,
        page_max=settings.page_max,
    )
    app[keys.conversations] = Conversations(archive, queue, log, reading)
    app[keys.following] = Following(archive, queue, services.live)
    streams = app[keys.streams] = Seats(settings.max_streams)
    app.on_shutdown.append(streams.close)
