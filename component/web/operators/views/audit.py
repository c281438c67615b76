"""The audit log."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from component.core.access.principals import Role
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import Address, PageParameters
from component.web.operators.rendering import render
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


class AuditParameters(PageParameters):
    """GET {prefix}/audit."""

    subject: Address | None = None
    before: int | None = Field(default=None, ge=0, lt=2**62)


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}/audit", show_audit_log)


async def show_audit_log(request: web.Request) -> web.Response:
    """GET {prefix}/audit: what operators have done, the newest entry first."""
    authenticate.require(request, Role.ADMIN)
    parameters = checked(AuditParameters, body.query(request))
    limit = request.app[keys.pager].size(None)
    subject = parameters.subject and parameters.subject.strip()
    entries = await request.app[keys.audit].read(
        limit=limit + 1, before=parameters.before, subject=subject
    )
    return render(
        request,
        "service/audit.html",
        subject=subject or "",
        entries=entries[:limit],
        is_first=parameters.before is None,
        next=entries[limit - 1].number if len(entries) > limit else None,
    )
