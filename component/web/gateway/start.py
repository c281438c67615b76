"""The start of a session: POST {gateway}/start-session; and HEAD {gateway}/."""

from __future__ import annotations

from aiohttp import web

from component.core.errors import BadRequest, NotAllowed, NotAuthorized, Overloaded
from component.core.gateway.errors import (
    ParametersError,
    UpstreamAuthError,
    UpstreamConnectionError,
)
from component.core.gateway.sessions import SessionSettings, StartedSession
from component.core.xml.jids import bare
from component.web import keys
from component.web.gateway.answers import SessionStart
from component.web.gateway.models import StartFields, checked_parameters
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.post, f"{prefix}/start-session", start),
        web.head(f"{prefix}/", alive),
    ]


@operation("gateway.alive", answers={200: None})
async def alive(_: web.Request) -> web.Response:
    """HEAD {gateway}/: the gateway runs."""
    return web.Response()


@operation("gateway.start", body=StartFields, takes_forms=True, answers={200: SessionStart})
async def start(request: web.Request) -> web.Response:
    """POST {gateway}/start-session: a session for a password."""
    fields = checked_parameters(StartFields, await _fields(request))
    started = await _started(request, fields)
    session: dict[str, object] = {
        "session_id": started.session.id,
        "token": started.token,
        "jid": started.session.jid,
    }
    if started.push_secret is not None:
        session["push_secret"] = started.push_secret
    return body.json_response({"session": session})


async def _fields(request: web.Request) -> dict[str, object]:
    """Return the parameters of the query and the fields of the body, which come first."""
    query: dict[str, object] = {**body.query(request)}
    if not request.can_read_body:
        return query
    try:
        return query | await body.fields(request)
    except BadRequest as error:
        raise ParametersError(error.message) from error


async def _started(request: web.Request, fields: StartFields) -> StartedSession:
    gateway = request.app[keys.gateway]
    try:
        jid = bare(request.app[keys.jids].prepare(fields.jid))
    except BadRequest as error:
        raise ParametersError(f"jid: {error.message}") from error
    gateway.sessions.check_server(fields.server, jid)
    limit, party = request.config_dict[keys.guess_limit], request[keys.party]
    settings = SessionSettings(client_id=fields.client_id, push_token=fields.push_token)
    try:
        with limit.attempt(party, jid):
            started = await gateway.sessions.start(jid, fields.password, settings)
    except NotAuthorized as error:
        raise UpstreamAuthError(fields.jid) from error
    except (Overloaded, NotAllowed) as error:
        raise UpstreamConnectionError(fields.server) from error
    if started.is_new:
        gateway.notified.note(started.session.id, started.place)
    return started
