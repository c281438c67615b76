"""The administration API, for admins and the server: everything else below {prefix}/v1."""

from __future__ import annotations

from aiohttp import web

from component.core.access.audit import Audit
from component.core.retention.orders import ArchiveOrders
from component.web import keys
from component.web.admin import accounts, archives, audit, commands, doctor, export, rules
from component.web.auth.authenticate import authenticate
from component.web.server.family import Family
from component.web.server.operation import Scheme
from component.web.server.settings import Listener, Services, WebSettings, pager_of


def _make_app(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    for module in (archives, rules, export, audit, accounts, commands, doctor):
        app.add_routes(module.routes(prefix))
    app[keys.accounts] = services.accounts
    app[keys.administration] = services.administration
    app[keys.audit] = audit_log = Audit(services.storage.audit_log, services.writer)
    app[keys.orders] = ArchiveOrders(archives=services.administration, audit=audit_log)
    app[keys.authorizer] = services.authorizer
    app[keys.commands] = services.commands
    app[keys.grants] = services.grants
    app[keys.hosts] = services.hosts
    app[keys.jids] = services.jids
    app[keys.pager] = pager_of(settings, services)
    return app


ADMINISTRATION = Family(
    name="administration",
    listener=Listener.PRIVATE,
    prefix="{prefix}/v1",
    authenticate=authenticate,
    schemes=(Scheme.SECRET, Scheme.API_KEY),
    streaming_handlers=frozenset({export.export, doctor.examine}),
    make_app=_make_app,
)
