"""The doctor, which tests what ejabberd grants and does."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.doctor.finding import Finding
from component.core.ejabberd_options import as_yaml
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import NoParameters, PageParameters
from component.web.operators.rendering import render
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


class DoctorFields(PageParameters):
    """POST {prefix}/doctor."""

    reconnect: bool = False


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path = f"{prefix}/doctor"
    return [*routes_at(web.get, path, show_doctor), *routes_at(web.post, path, examine)]


async def show_doctor(request: web.Request) -> web.Response:
    """GET {prefix}/doctor: a form."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.query(request))
    return _page(request, None)


async def examine(request: web.Request) -> web.Response:
    """POST {prefix}/doctor: examine ejabberd, which takes some seconds, and show the findings."""
    authenticate.require(request, Role.ADMIN)
    fields = checked(DoctorFields, await body.fields(request))
    return _page(request, await request.app[keys.grants].examine(reconnect=fields.reconnect))


def _page(request: web.Request, findings: tuple[Finding, ...] | None) -> web.Response:
    return render(
        request,
        "service/doctor.html",
        findings=None
        if findings is None
        else [(finding, as_yaml(finding.options)) for finding in findings],
    )
