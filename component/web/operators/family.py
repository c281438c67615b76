"""The operators' pages, on the private listener: /operators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from component.core.access.audit import Audit
from component.core.figures import Figures
from component.core.reading.browsing import ArchiveBrowser
from component.core.retention.orders import ArchiveOrders
from component.web import keys
from component.web.operators import sign_in
from component.web.operators.rendering import PREFIX, error, headers
from component.web.operators.sign_in import authenticate_operator
from component.web.operators.views import (
    accounts,
    archives,
    audit,
    days,
    doctor,
    erasure,
    export,
    figures,
    files,
    gaps,
    holds,
    purges,
    retention,
    search,
    store_figures,
)
from component.web.pages.files import packaged
from component.web.pages.routes import asset_route
from component.web.server.family import Family
from component.web.server.settings import Listener, Services, WebSettings, pager_of

_VIEWS = (
    *(archives, days, search, files, figures),
    *(retention, holds, purges, erasure, export),
    *(accounts, audit, doctor, gaps, store_figures),
)


def _sign_in(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(sign_in.public_routes(prefix))
    app.add_routes([asset_route(prefix, packaged(), headers())])
    return app


def _pages(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes(sign_in.routes(prefix))
    for view in _VIEWS:
        app.add_routes(view.routes(prefix))
    audit_log = Audit(services.storage.audit_log, services.writer)
    app[keys.audit] = audit_log
    app[keys.accounts] = services.accounts
    app[keys.administration] = services.administration
    app[keys.orders] = ArchiveOrders(archives=services.administration, audit=audit_log)
    app[keys.authorizer] = services.authorizer
    app[keys.commands] = services.commands
    app[keys.gaps] = services.gaps
    app[keys.grants] = services.grants
    app[keys.hosts] = services.hosts
    app[keys.jids] = services.jids
    app[keys.pager] = pager_of(settings, services)
    app[keys.figures] = Figures(services.administration)
    app.cleanup_ctx.append(_sampled)
    app[keys.browser] = ArchiveBrowser(
        services.authorizer,
        services.storage,
        services.queue,
        pager_of(settings, services),
        services.displayed,
        services.gaps,
    )
    return app


async def _sampled(app: web.Application) -> AsyncIterator[None]:
    """Take samples of the store while the application runs."""
    sampling = asyncio.create_task(app[keys.figures].run())
    yield
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)


#: The form to sign in, and the files of the pages: anybody may load them.
OPERATOR_SIGN_IN = Family(
    name="operator sign-in",
    listener=Listener.PRIVATE,
    prefix=PREFIX,
    authenticate=None,
    error_shape=error,
    is_api=False,
    make_app=_sign_in,
)

OPERATOR_PAGES = Family(
    name="operator pages",
    listener=Listener.PRIVATE,
    prefix=PREFIX,
    authenticate=authenticate_operator,
    error_shape=error,
    streaming_handlers=frozenset({export.export, doctor.examine}),
    is_api=False,
    make_app=_pages,
)
