"""The audit log: {prefix}/v1/audit."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.xml.times import format_time
from component.web import keys
from component.web.admin.answers import AuditPage
from component.web.archive.models import AuditParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at
from storage.rows import AuditEntry


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}/audit", read)


@operation("admin.audit.list", query=AuditParameters, answers={200: AuditPage})
async def read(request: web.Request) -> web.Response:
    """GET {prefix}/v1/audit: the entries of the audit log, the newest first."""
    authenticate.require(request, Role.ADMIN)
    parameters = checked(AuditParameters, body.parameters(request))
    limit = request.app[keys.pager].size(parameters.limit)
    entries = await request.app[keys.audit].read(
        limit=limit + 1, before=parameters.before, subject=parameters.subject
    )
    return body.page(
        request,
        {"entries": [_fields(entry) for entry in entries[:limit]]},
        cursor="before",
        next=entries[limit - 1].number if len(entries) > limit else None,
    )


def _fields(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "time": format_time(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
    }
