"""The events of an account as Server-Sent Events: {prefix}/v1/archives/{owner}/events/stream."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from aiohttp import web

from component.core.errors import CursorExpired
from component.core.events.reader import ReadableEvents
from component.web import keys
from component.web.auth.bearer import stream_parameters
from component.web.events import events_json
from component.web.events.answers import ExpiredCursor
from component.web.events.models import EventStreamParameters
from component.web.events.polls import expired_response, own_account, place_of
from component.web.server import event_stream
from component.web.server.limits import time_limit
from component.web.server.operation import Content, operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/events/stream", follow, allow_head=False)


@operation(
    "events.stream.follow",
    query=EventStreamParameters,
    headers={"Last-Event-ID": "The cursor of the last event: goes before `after`."},
    answers={200: Content("text/event-stream"), 410: ExpiredCursor},
)
async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/events/stream: events as they come, without end."""
    owner = own_account(request)
    parameters = checked(EventStreamParameters, stream_parameters(request))
    # A browser that reconnects repeats the query of its first request.
    after = place_of(parameters, request.headers.get("Last-Event-ID"))
    with request.config_dict[keys.stream_limit].slot(owner):
        try:
            async with time_limit(request):
                await request.app[keys.events].page(owner, after, limit=1)
        except CursorExpired as expired:
            return await expired_response(request, owner, expired)
        texts = _texts(request, owner, after, xml=parameters.xml)
        # A client that reconnects is told what to do.
        subject = f"events of {owner}"
        return await event_stream.respond(request, texts, subject, end_level=logging.INFO)


async def _texts(
    request: web.Request, owner: str, after: int | str, *, xml: bool
) -> AsyncGenerator[str, None]:
    """Yield the events of an account, and heartbeats while there are none."""
    pause = request.app[keys.settings].stream_heartbeat_seconds
    yield f"retry: {event_stream.RETRY_MILLISECONDS}\n\n"
    async with aclosing(request.app[keys.events].pages(owner, after, pause=pause)) as pages:
        async for page in pages:
            yield _text(page, xml=xml)


def _text(page: ReadableEvents, *, xml: bool) -> str:
    """Return a page as events, a page without events as a comment and its cursor."""
    if not page.events:
        return f": still here\nid: {page.cursor}\n\n"
    lines = []
    for item in page.events:
        fields = events_json.event(item, xml=xml)
        data = orjson.dumps(fields).decode()
        lines.append(f"id: {item.event.cursor}\nevent: {fields['type']}\ndata: {data}\n\n")
    return "".join(lines)
