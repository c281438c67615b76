"""The grants of ejabberd, for admins: {prefix}/v1/doctor."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.web import keys
from component.web.admin.answers import Findings
from component.web.admin.models import DoctorParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [*routes_at(web.post, f"{prefix}/doctor", examine)]


@operation("admin.doctor.examine", query=DoctorParameters, answers={200: Findings})
async def examine(request: web.Request) -> web.Response:
    """POST {prefix}/v1/doctor: examine ejabberd, which takes some seconds."""
    authenticate.require(request, Role.ADMIN)
    parameters = checked(DoctorParameters, body.parameters(request))
    findings = await request.app[keys.grants].examine(reconnect=parameters.reconnect)
    return body.json_response({"findings": [finding.fields for finding in findings]})
