"""The live stream of an archive as Server-Sent Events: {prefix}/v1/archives/{owner}/stream."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from time import time

import orjson
from aiohttp import web

from component.core.errors import BadRequest, Refused
from component.core.messages.stored import Message
from component.core.reading.follow import ArchiveStream
from component.core.reading.views import ReadableMessage
from component.web import keys
from component.web.archive.messages_json import message
from component.web.archive.models import ID_MAX, StreamParameters
from component.web.auth import authenticate
from component.web.auth.bearer import TICKET
from component.web.server import body
from component.web.server.limits import on_disconnect, time_limit
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at
from storage.rows import ArchivedMessage

log = logging.getLogger(__name__)

#: Milliseconds until a client that has lost its connection reconnects.
RETRY_MILLISECONDS = 2000

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # Without it nginx buffers events.
    "X-Accel-Buffering": "no",
}


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/stream", follow, allow_head=False)


async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/stream: messages as they arrive, without end."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    values = body.parameters(request, "kind")
    if keys.access_token in request:
        # A user has shown it already.
        values.pop(TICKET, None)
    parameters = checked(StreamParameters, values)
    filter = parameters.filter(request.app[keys.jids])
    # A browser that reconnects repeats the query of its first request.
    after = request.headers.get("Last-Event-ID") or parameters.after
    if after is not None and len(after) > ID_MAX:
        raise BadRequest(f"Last-Event-ID: an id has {ID_MAX} characters at most")
    streams = request.config_dict[keys.stream_limit]
    with streams.slot(principal.name):
        async with time_limit(request):
            stream = await request.app[keys.reader].stream(principal, owner, filter, after)
        events = _Events(request, xml=parameters.xml)
        sending = streams.run(events.send(owner, stream))
        on_disconnect(request, sending.cancel)
        try:
            await asyncio.wait([sending], timeout=_seconds_left(request))
        finally:
            sending.cancel()
    return events.response


def _seconds_left(request: web.Request) -> float | None:
    """Return the number of seconds for which a request is authenticated; None: for ever."""
    token = request.get(keys.access_token)
    return None if token is None else max(0.0, token.expires_at - time())


class _Events:
    """Sends the response of one stream."""

    def __init__(self, request: web.Request, *, xml: bool) -> None:
        self.response = web.StreamResponse(headers=HEADERS)
        self.response.force_close()
        self._request = request
        self._xml = xml
        self._settings = request.app[keys.settings]
        self._last_event_id = ""  # the id with which the client would reconnect
        self._written_at = 0.0

    async def send(self, owner: str, stream: ArchiveStream) -> None:
        """Send events until the client disconnects or does not read them."""
        pause = self._settings.stream_heartbeat_seconds
        messages = stream.messages(pause=pause)
        try:
            await self.response.prepare(self._request)
            await self._write(f"retry: {RETRY_MILLISECONDS}\n" + self._progress(stream))
            async with aclosing(messages):
                async for rows in messages:
                    for row in rows:
                        await self._write(self._event(row))
                    if asyncio.get_running_loop().time() >= self._written_at + pause:
                        await self._write(": still here\n" + self._progress(stream))
        except ConnectionError:
            return
        except TimeoutError:
            log.warning("a client does not read its stream of %s: its connection is closed", owner)
            if self._request.transport is not None:
                self._request.transport.abort()
        except Refused as refused:
            log.warning("a stream of %s has ended: %s", owner, refused.message)
        except Exception:
            log.exception("a stream of %s has failed", owner)

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(self._settings.request_timeout_seconds):
            await self.response.write(text.encode())
        self._written_at = asyncio.get_running_loop().time()

    def _event(self, row: ArchivedMessage) -> str:
        self._last_event_id = row.position
        data = orjson.dumps(message(ReadableMessage(Message.of(row)), xml=self._xml)).decode()
        return f"id: {row.position}\nevent: message\ndata: {data}\n\n"

    def _progress(self, stream: ArchiveStream) -> str:
        """Return the id of the last message that was read, if the client does not have it yet.

        Messages outside of the filter are not sent. An id without data is not an event either, but
        the client reconnects with it.
        """
        if stream.position == self._last_event_id:
            return "\n"
        self._last_event_id = stream.position
        return f"id: {stream.position}\n\n"
