"""The live stream of an archive as Server-Sent Events: {prefix}/v1/archives/{owner}/stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

import orjson
from aiohttp import web

from component.core.errors import BadRequest
from component.core.messages.stored import Message
from component.core.reading.follow import ArchiveStream
from component.core.reading.views import ReadableMessage
from component.web import keys
from component.web.archive.messages_json import message
from component.web.archive.models import ID_MAX, StreamParameters
from component.web.auth import authenticate
from component.web.auth.bearer import stream_parameters
from component.web.server import event_stream
from component.web.server.limits import time_limit
from component.web.server.operation import Content, operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at
from storage.rows import ArchivedMessage

#: The number of characters from which on events are sent before others are added.
_WRITTEN_AT_ONCE = 16 * 1024


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/stream", follow, allow_head=False)


@operation(
    "archive.stream.follow",
    query=StreamParameters,
    headers={"Last-Event-ID": "The id of the last event: goes before `after`."},
    answers={200: Content("text/event-stream")},
)
async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/stream: messages as they arrive, without end."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    parameters = checked(StreamParameters, stream_parameters(request, "kind"))
    filter = parameters.filter(request.app[keys.jids])
    # A browser that reconnects repeats the query of its first request.
    after = request.headers.get("Last-Event-ID") or parameters.after
    if after is not None and len(after) > ID_MAX:
        raise BadRequest(f"Last-Event-ID: an id has {ID_MAX} characters at most")
    with request.config_dict[keys.stream_limit].slot(principal.name):
        async with time_limit(request):
            stream = await request.app[keys.reader].stream(principal, owner, filter, after)
        texts = _texts(request, stream, xml=parameters.xml)
        return await event_stream.respond(request, texts, owner)


async def _texts(
    request: web.Request, stream: ArchiveStream, *, xml: bool
) -> AsyncGenerator[str, None]:
    """Yield the events of a stream, and heartbeats while there are none."""
    loop, pause = asyncio.get_running_loop(), request.app[keys.settings].stream_heartbeat_seconds
    messages = stream.messages(pause=pause)
    last_event_id = stream.position  # the id with which the client would reconnect
    yield f"retry: {event_stream.RETRY_MILLISECONDS}\n{_id_line(stream.position)}"
    written_at = loop.time()
    async with aclosing(messages):
        async for rows in messages:
            for text in _joined(_event(row, xml=xml) for row in rows):
                yield text
                written_at = loop.time()
            if rows:
                last_event_id = rows[-1].position
            if loop.time() >= written_at + pause:
                # Messages outside of the filter are not sent. An id without data is not an event
                # either, but the client reconnects with it.
                is_ahead = stream.position != last_event_id
                last_event_id = stream.position
                yield ": still here\n" + (_id_line(last_event_id) if is_ahead else "\n")
                written_at = loop.time()


def _joined(events: Iterable[str]) -> Iterator[str]:
    """Yield events, some together as one text: each text that is sent has a cost of its own."""
    waiting: list[str] = []
    size = 0
    for event in events:
        waiting.append(event)
        size += len(event)
        if size >= _WRITTEN_AT_ONCE:
            yield "".join(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield "".join(waiting)


def _event(row: ArchivedMessage, *, xml: bool) -> str:
    data = orjson.dumps(message(ReadableMessage(Message(row)), xml=xml)).decode()
    return f"id: {row.position}\nevent: message\ndata: {data}\n\n"


def _id_line(position: str) -> str:
    return f"id: {position}\n\n"
