"""The audit log: {prefix}/v1/audit."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.xml.times import format_time
from component.web.archive.models import AuditParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import at
from storage.rows import AuditEntry


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return at(web.get, f"{prefix}/audit", read)


async def read(request: web.Request) -> web.Response:
    """GET {prefix}/v1/audit: who did what with whose archive, newest first."""
    authenticate.require(request, Role.ADMIN)
    asked = checked(AuditParameters, body.parameters(request))
    limit = request.app[keys.pages].size(asked.limit)
    found = await request.app[keys.audit].read(
        limit=limit + 1, before=asked.before, subject=asked.subject
    )
    return body.page(
        request,
        {"entries": [_fields(entry) for entry in found[:limit]]},
        place="before",
        next=found[limit - 1].number if len(found) > limit else None,
    )


def _fields(audit_entry: AuditEntry) -> dict[str, object]:
    return {
        "number": audit_entry.number,
        "time": format_time(audit_entry.at),
        "actor": audit_entry.actor,
        "action": audit_entry.action,
        "subject": audit_entry.subject,
        "detail": audit_entry.detail,
    }
