"""The session of a request: {gateway}/sessions/{session_id}."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from component.core.gateway.sessions import GatewaySession
from component.web import keys
from component.web.gateway.answers import Nothing, Session
from component.web.gateway.authenticate import session
from component.web.gateway.models import SessionBody, body_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.paths import routes_at

#: The path of a session.
SESSION = "/sessions/{session_id}"


def routes(prefix: str, *, changes_by_get: bool) -> list[web.RouteDef]:
    """Return the routes below a prefix; `changes_by_get` adds those that change by GET."""
    path = f"{prefix}{SESSION}"
    by_get = [*routes_at(web.get, f"{path}/delete", end, allow_head=False)]
    return [
        *routes_at(web.get, path, read),
        *routes_at(web.put, path, change),
        *routes_at(web.delete, path, end),
        *(by_get if changes_by_get else ()),
    ]


@operation("gateway.sessions.read", answers={200: Session})
async def read(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}: the session."""
    return _response(session(request))


@operation("gateway.sessions.change", body=SessionBody, answers={200: Session})
async def change(request: web.Request) -> web.Response:
    """PUT {gateway}/sessions/{session_id}: change the content of pushes."""
    fields = (await body_of(request, SessionBody)).session
    current = session(request)
    if fields.should_send_message_body is None:
        return _response(current)
    settings = replace(current.settings, should_send_message_body=fields.should_send_message_body)
    return _response(await request.app[keys.gateway].sessions.change(current, settings))


@operation("gateway.sessions.end", answers={200: Nothing})
async def end(request: web.Request) -> web.Response:
    """DELETE {gateway}/sessions/{session_id}, or GET …/delete: end the session."""
    await request.app[keys.gateway].sessions.end(session(request))
    return body.json_response({})


def _response(current: GatewaySession) -> web.Response:
    return body.json_response(
        {
            "session": {
                "session_id": current.id,
                "jid": current.jid,
                "should_send_message_body": current.settings.should_send_message_body,
            }
        }
    )
