"""The audit log: {prefix}/v1/audit."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.xml.times import format_time
from component.web.archive.models import AuditParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.paths import at
from storage.rows import Deed


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return at(web.get, f"{prefix}/v1/audit", read)


async def read(request: web.Request) -> web.Response:
    """GET {prefix}/v1/audit: who did what with whose archive, newest first."""
    authenticate.require(request, Role.ADMIN)
    asked = checked(AuditParameters, body.parameters(request))
    limit = request.app[keys.pages].size(asked.limit)
    deeds = await request.app[keys.audit].read(
        limit=limit + 1, before=asked.before, subject=asked.subject
    )
    return body.page(
        request,
        {"deeds": [_fields(deed) for deed in deeds[:limit]]},
        place="before",
        next=deeds[limit - 1].number if len(deeds) > limit else None,
    )


def _fields(deed: Deed) -> dict[str, object]:
    return {
        "number": deed.number,
        "time": format_time(deed.at),
        "actor": deed.actor,
        "action": deed.action,
        "subject": deed.subject,
        "detail": deed.detail,
    }
