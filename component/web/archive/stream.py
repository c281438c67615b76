"""The live stream of an archive as Server-Sent Events: {prefix}/v1/archives/{owner}/stream."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import orjson
from aiohttp import web

from component.core.errors import BadRequest, Refused
from component.core.messages.payloads import Message
from component.core.reading.follow import ArchiveStream
from component.core.reading.views import ReadableMessage
from component.web.archive.messages_json import message
from component.web.archive.models import ID_MAX, StreamParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.limits import in_time, when_lost
from component.web.server.paths import ARCHIVE, at, owner_of
from storage.rows import ArchivedMessage

log = logging.getLogger(__name__)

#: After how long a caller is to come again whose connection was lost.
RETRY_MILLISECONDS = 2000

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # nginx would gather events otherwise.
    "X-Accel-Buffering": "no",
}


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return at(web.get, f"{prefix}{ARCHIVE}/stream", follow, allow_head=False)


async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/stream: messages as they come, without end."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    asked = checked(StreamParameters, body.parameters(request, "kind"))
    filter = asked.filter(request.app[keys.jids])
    # A browser that comes again still has the query of its first request.
    after = request.headers.get("Last-Event-ID") or asked.after
    if after is not None and len(after) > ID_MAX:
        raise BadRequest(f"Last-Event-ID: an id has {ID_MAX} characters at most")
    streams = request.app[keys.streams]
    with streams.taken(principal.name):
        async with in_time(request):
            stream = await request.app[keys.reader].stream(principal, owner, filter, after)
        events = _Events(request, xml=asked.xml)
        sending = streams.run(events.send(owner, stream))
        when_lost(request, sending.cancel)
        try:
            await asyncio.wait([sending])
        finally:
            sending.cancel()
    return events.response


class _Events:
    """One answer, while it is being sent."""

    def __init__(self, request: web.Request, *, xml: bool) -> None:
        self.response = web.StreamResponse(headers=HEADERS)
        self.response.force_close()
        self._request = request
        self._xml = xml
        self._settings = request.app[keys.settings]
        self._told = ""  # the id that the caller would come again with
        self._written = 0.0

    async def send(self, owner: str, stream: ArchiveStream) -> None:
        """Send until the caller is gone, or does not take what it is sent."""
        pause = self._settings.stream_heartbeat_seconds
        messages = stream.messages(pause=pause)
        try:
            await self.response.prepare(self._request)
            await self._write(f"retry: {RETRY_MILLISECONDS}\n" + self._progress(stream))
            async with aclosing(messages):
                async for rows in messages:
                    for row in rows:
                        await self._write(self._event(row))
                    if asyncio.get_running_loop().time() >= self._written + pause:
                        await self._write(": still here\n" + self._progress(stream))
        except ConnectionError:
            return
        except TimeoutError:
            log.warning("a follower of %s did not take what it was sent: connection closed", owner)
            if self._request.transport is not None:
                self._request.transport.abort()
        except Refused as refused:
            log.warning("a stream of %s has ended: %s", owner, refused.message)
        except Exception:
            log.exception("a stream of %s has failed", owner)

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(self._settings.request_timeout_seconds):
            await self.response.write(text.encode())
        self._written = asyncio.get_running_loop().time()

    def _event(self, row: ArchivedMessage) -> str:
        self._told = row.id
        data = orjson.dumps(message(ReadableMessage(Message.of(row)), xml=self._xml)).decode()
        return f"id: {row.id}\nevent: message\ndata: {data}\n\n"

    def _progress(self, stream: ArchiveStream) -> str:
        """Tell how far the archive has been followed, though nothing of it was wanted.

        An id without data is no event, and is what the caller comes again with all the same.
        """
        if stream.position == self._told:
            return "\n"
        self._told = stream.position
        return f"id: {stream.position}\n\n"
