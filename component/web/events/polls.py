"""Polls and snapshots of a user's own account: {prefix}/v1/archives/{owner}/events."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import User
from component.core.errors import BadRequest, CursorExpired, Forbidden
from component.web import keys
from component.web.archive.models import ID_MAX
from component.web.auth import authenticate, bearer
from component.web.events import events_json
from component.web.events.answers import EventsPage, ExpiredCursor, SnapshotPage
from component.web.events.models import EventsParameters, EventStreamParameters, SnapshotParameters
from component.web.polling import poll
from component.web.server import body
from component.web.server.limits import time_limit
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, named_owner, routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}{ARCHIVE}/events", events, allow_head=False),
        *routes_at(web.get, f"{prefix}{ARCHIVE}/snapshot", snapshot, allow_head=False),
    ]


@operation("events.list", query=EventsParameters, answers={200: EventsPage, 410: ExpiredCursor})
async def events(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/events: the oldest events behind a place, or the next."""
    owner = own_account(request)
    parameters = checked(EventsParameters, body.parameters(request))
    after = place_of(parameters, None)
    max_wait = request.app[keys.settings].poll_seconds
    wait = min(parameters.wait, max_wait, bearer.seconds_left(request) or 0)
    try:
        if wait:
            reader, limit = request.app[keys.events], parameters.limit
            page = await poll(
                request,
                owner,
                lambda: reader.wait(owner, after, limit, seconds=wait),
                seconds=wait,
            )
            async with time_limit(request):
                await bearer.check(request)
        else:
            async with time_limit(request):
                page = await request.app[keys.events].page(owner, after, parameters.limit)
    except CursorExpired as expired:
        return await expired_response(request, owner, expired)
    return body.json_response(
        {
            "events": [events_json.event(item, xml=parameters.xml) for item in page.events],
            "event_id": page.event_id,
            "cursor": page.cursor,
            "complete": page.complete,
            "max_wait": max_wait,
        }
    )


@operation("events.snapshot", query=SnapshotParameters, answers={200: SnapshotPage})
async def snapshot(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/snapshot: contacts, presences and conversations now."""
    owner = own_account(request)
    parameters = checked(SnapshotParameters, body.parameters(request))
    state = await request.app[keys.events].snapshot(owner, parameters.limit)
    fields = events_json.snapshot(owner, state, xml=parameters.xml)
    max_wait = request.app[keys.settings].poll_seconds
    return body.json_response({**fields, "max_wait": max_wait})


def own_account(request: web.Request) -> str:
    """Return the owner in the path. Raises Forbidden unless this is the user who asks."""
    owner = named_owner(request)
    if authenticate.principal(request) != User(owner):
        raise Forbidden("These events are not yours.")
    return owner


def place_of(parameters: EventStreamParameters, last_event_id: str | None) -> int | str:
    """Return the place behind which events are asked for. Raises BadRequest."""
    if last_event_id is not None and len(last_event_id) > ID_MAX:
        raise BadRequest(f"Last-Event-ID: a cursor has {ID_MAX} characters at most")
    place = last_event_id or parameters.after
    if place is None:
        raise BadRequest("after: missing, give the cursor of a snapshot, or 0 for all events")
    return place


async def expired_response(
    request: web.Request, owner: str, expired: CursorExpired
) -> web.Response:
    """Return the response to an expired cursor, with a cursor that is valid."""
    async with time_limit(request):
        event_id, cursor = await request.app[keys.events].cursor(owner)
    return body.json_response(
        {
            "error": expired.condition,
            "message": expired.message,
            "status": expired.status,
            "event_id": event_id,
            "cursor": cursor,
        },
        status=expired.status,
    )
