"""Operators sign in by the form of a page, and their browsers show a cookie from then on."""

from __future__ import annotations

from typing import Annotated

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import Field

from component.core.access.principals import Operator
from component.core.errors import NotAuthorized
from component.web import keys
from component.web.auth import authenticate
from component.web.operators import same_origin
from component.web.operators.models import PageParameters
from component.web.operators.rendering import PREFIX, render, see
from component.web.operators.sessions import LONGEST_SECONDS
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import routes_at

COOKIE = "muniment-operator"

#: The greatest length of a secret in a form, in characters.
SECRET_MAX = 1000

_UNKNOWN = (
    "No operator has this secret: compare it with the secrets of [operators] in the configuration"
    " of Muniment."
)
_SERVER = (
    "This is the secret of the server. The audit log has the name of each operator, so sign in"
    " with the secret of an operator: see [operators] in the configuration of Muniment."
)


class SignInParameters(PageParameters):
    """GET {prefix}/sign-in."""

    next: str = ""  #: path of the page to show after the sign-in
    ended: str = ""  #: not empty: the operator has signed out


class SignInFields(PageParameters):
    """POST {prefix}/sign-in."""

    secret: Annotated[str, Field(max_length=SECRET_MAX)] = ""
    next: str = ""


def public_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix that need no sign-in."""
    return [
        *routes_at(web.get, f"{prefix}/sign-in", show_form),
        *routes_at(web.post, f"{prefix}/sign-in", sign_in),
    ]


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix that need a sign-in."""
    return [*routes_at(web.post, f"{prefix}/sign-out", sign_out)]


@web.middleware
async def authenticate_operator(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass on requests of operators who have signed in; show the form to all others."""
    same_origin.check(request)
    operator = request.config_dict[keys.operator_sessions].find(request.cookies.get(COOKIE, ""))
    # A reload may have removed the operator, or changed its role or secret.
    if operator is None or operator not in request.app[keys.settings].operators:
        is_page = request.method in (hdrs.METH_GET, hdrs.METH_HEAD)
        return see("sign-in", next=request.raw_path if is_page else None)
    request[keys.principal] = operator
    return await handler(request)


async def show_form(request: web.Request) -> web.Response:
    """GET {prefix}/sign-in: the form."""
    parameters = checked(SignInParameters, body.query(request))
    return render(
        request, "sign_in.html", next=_page_of(parameters.next), has_ended=bool(parameters.ended)
    )


async def sign_in(request: web.Request) -> web.Response:
    """POST {prefix}/sign-in: sign in, and go on to the page that the operator asked for."""
    same_origin.check(request)
    fields = checked(SignInFields, await body.fields(request))
    try:
        operator = _operator_of(request, fields.secret)
    except NotAuthorized as refused:
        authenticate.log_refusal(request, refused)
        return render(
            request, "sign_in.html", refused=refused, next=_page_of(fields.next), has_ended=False
        )
    sessions = request.config_dict[keys.operator_sessions]
    sessions.end(request.cookies.get(COOKIE, ""))
    response = see("archives")
    if page := _page_of(fields.next):
        response.headers[hdrs.LOCATION] = page
    response.set_cookie(
        COOKIE,
        sessions.begin(operator),
        path=PREFIX,
        max_age=int(LONGEST_SECONDS),
        httponly=True,
        samesite="Strict",
        secure=same_origin.is_encrypted(request),
    )
    return response


async def sign_out(request: web.Request) -> web.Response:
    """POST {prefix}/sign-out: end the sign-in of this browser."""
    request.config_dict[keys.operator_sessions].end(request.cookies.get(COOKIE, ""))
    response = see("sign-in", ended="true")
    response.del_cookie(COOKIE, path=PREFIX)
    return response


def _operator_of(request: web.Request, secret: str) -> Operator:
    """Return the operator who has a secret. Raises NotAuthorized, RateLimited."""
    settings = request.app[keys.settings]
    principal = authenticate.principal_of(secret.strip().encode(errors="replace"), settings)
    name = None if principal is None else principal.name
    request.config_dict[keys.guess_limit].check(request[keys.party], name)
    if isinstance(principal, Operator):
        return principal
    raise NotAuthorized(_UNKNOWN if principal is None else _SERVER)


def _page_of(path: str) -> str:
    """Return the path of a page of ours; "" for any other address."""
    # A browser takes a backslash for a slash, and two slashes for another host.
    is_ours = path.startswith(f"{PREFIX}/") and "\\" not in path and "//" not in path
    return path if is_ours and path.isascii() and path.isprintable() else ""
