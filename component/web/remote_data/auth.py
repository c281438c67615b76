"""The Remote Data contract of accounts: {prefix}/auth and {prefix}/user."""

from __future__ import annotations

from aiohttp import web

from component.core.errors import BadRequest, NotAuthorized
from component.core.remote_data.posts import CHAT, owner_of
from component.web import keys
from component.web.remote_data.hosts import host_of, places
from component.web.remote_data.models import AuthQuery, UserQuery
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, each for the first virtual host and for a named one."""
    return [
        route
        for place in places(prefix)
        for name, handler in (("auth", authenticate), ("user", exists))
        for route in routes_at(web.get, f"{place}/{name}", handler)
    ]


@operation("remote_data.auth.authenticate", query=AuthQuery, answers={200: None})
async def authenticate(request: web.Request) -> web.Response:
    """GET {prefix}/auth?username&password: 200 if the password is right, else 401."""
    host = host_of(request)
    query = checked(AuthQuery, body.query(request))
    if query.password is None:
        raise NotAuthorized("password: missing")
    user = _user(request, query, host)
    if not await request.app[keys.accounts].authenticator.authenticate(user, query.password):
        raise NotAuthorized("this is not the password of a user with the right to log in")
    # ejabberd reads any body as JSON, but accepts an empty one.
    return web.Response()


@operation("remote_data.auth.exists", query=UserQuery, answers={200: None})
async def exists(request: web.Request) -> web.Response:
    """GET {prefix}/user?username: 200 if there is such a user, else 401."""
    host = host_of(request)
    user = _user(request, checked(UserQuery, body.query(request)), host)
    if not await request.app[keys.accounts].authenticator.exists(user):
        raise NotAuthorized("there is no such user")
    return web.Response()


def _user(request: web.Request, query: UserQuery, host: str) -> str:
    """Return the JID of the user. Raises NotAuthorized if the name cannot be one."""
    try:
        return owner_of(query.owner, CHAT, host, request.app[keys.jids])
    except BadRequest as error:
        raise NotAuthorized(error.message) from error
