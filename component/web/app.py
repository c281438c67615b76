"""The application: middlewares from the outside in, what requests find, and the routes."""

from __future__ import annotations

from aiohttp import web

from component.core.remote_data import RemoteArchive
from component.web import health, keys, remote_data
from component.web.auth import authenticate
from component.web.errors import errors
from component.web.limits import deadline
from component.web.readiness import Readiness
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
    app.add_routes(health.routes)
    app.add_routes(remote_data.routes(settings.prefix.rstrip("/")))
    return app
