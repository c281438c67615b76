"""The feed of contacts and messages, and notifications: {gateway}/sessions/{session_id}/feed."""

from __future__ import annotations

from aiohttp import web

from component.core.gateway.offsets import Offset
from component.core.gateway.reader import Changes, Query
from component.web import keys
from component.web.gateway import objects_json
from component.web.gateway.answers import Feed, Notification
from component.web.gateway.authenticate import session, settings
from component.web.gateway.errors import response
from component.web.gateway.models import ReadParameters
from component.web.gateway.reads import offset_of, parameters_of, query_of
from component.web.gateway.sessions import SESSION
from component.web.polling import poll
from component.web.server import body
from component.web.server.limits import time_limit
from component.web.server.operation import operation
from component.web.server.paths import routes_at

#: Messages that are read at once to find out whether anything has changed.
_CHANGES_LIMIT = 50


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path = f"{prefix}{SESSION}"
    return [
        *routes_at(web.get, f"{path}/feed", feed, allow_head=False),
        *routes_at(web.get, f"{path}/notification", notification, allow_head=False),
    ]


@operation("gateway.feed.read", query=ReadParameters, answers={200: Feed})
async def feed(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}/feed: contacts and messages behind an offset."""
    owner, parameters = session(request).jid, parameters_of(request)
    gateway = request.app[keys.gateway]
    query = query_of(request, parameters, contacts=True, messages=True)
    if parameters.waits:
        changes = await _waited(request, query)
    else:
        async with time_limit(request):
            changes = await gateway.reader.read(owner, query)
    gateway.contacts.acknowledge(owner, changes.receipts)
    return body.json_response(
        {
            "contacts": [objects_json.contact(item) for item in changes.contacts],
            "messages": [objects_json.message(item) for item in changes.messages],
            "offset": offset_of(changes, query.offset),
            "more": changes.more,
        }
    )


@operation(
    "gateway.feed.notification", query=ReadParameters, answers={200: Notification, 204: None}
)
async def notification(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}/notification: wait for a change.

    Changes behind the last notification of this session count, so none gets lost between two
    requests. With `offset` those behind that place count instead.
    """
    current, parameters = session(request), parameters_of(request)
    gateway = request.app[keys.gateway]
    place = gateway.notified.place(current.id)
    if parameters.offset:
        query = query_of(request, parameters, contacts=True, messages=True)
    elif place is None:
        # A notification before the last restart is not remembered.
        async with time_limit(request):
            gateway.notified.note(current.id, await gateway.reader.place(current.jid))
        return _notified(request)
    else:
        query = Query(offset=Offset(place), contacts=True, messages=True, limit=_CHANGES_LIMIT)
    changes = await _waited(request, query)
    gateway.notified.note(current.id, changes.event_id)
    is_changed = changes.contacts or changes.messages
    return _notified(request) if is_changed else _unchanged(request)


async def _waited(request: web.Request, query: Query) -> Changes:
    """Return the objects behind an offset, or none after the time of a poll.

    Raises SessionError if the session has ended meanwhile.
    """
    owner, seconds = session(request).jid, request.app[keys.settings].poll_seconds
    gateway = request.app[keys.gateway]
    changes = await poll(
        request, owner, lambda: gateway.reader.wait(owner, query, seconds=seconds), seconds=seconds
    )
    async with time_limit(request):
        await gateway.sessions.check(session(request))
    return changes


def _notified(request: web.Request) -> web.Response:
    return body.json_response({"session": {"session_id": session(request).id}})


def _unchanged(request: web.Request) -> web.Response:
    status = settings(request).unchanged_status
    if status == 204:
        return web.Response(status=204)
    if status == 404:
        return response("item-not-found", "Nothing has changed.", 404)
    return _notified(request)
