"""The events of an account as Server-Sent Events: {prefix}/v1/archives/{owner}/events/stream."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import orjson
from aiohttp import web

from component.core.errors import CursorExpired, Refused
from component.core.events.reader import ReadableEvents
from component.web import keys
from component.web.archive.stream import HEADERS, RETRY_MILLISECONDS
from component.web.auth.bearer import TICKET, seconds_left
from component.web.events import events_json
from component.web.events.models import EventStreamParameters
from component.web.events.polls import expired_response, own_account, place_of
from component.web.server import body
from component.web.server.limits import on_disconnect, time_limit
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, routes_at

log = logging.getLogger(__name__)


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/events/stream", follow, allow_head=False)


async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/events/stream: events as they come, without end."""
    owner = own_account(request)
    values = body.parameters(request)
    # The user has shown it already.
    values.pop(TICKET, None)
    parameters = checked(EventStreamParameters, values)
    # A browser that reconnects repeats the query of its first request.
    after = place_of(parameters, request.headers.get("Last-Event-ID"))
    streams = request.config_dict[keys.stream_limit]
    with streams.slot(owner):
        try:
            async with time_limit(request):
                await request.app[keys.events].page(owner, after, limit=1)
        except CursorExpired as expired:
            return await expired_response(request, owner, expired)
        sender = _Sender(request, xml=parameters.xml)
        sending = streams.run(sender.send(owner, after))
        on_disconnect(request, sending.cancel)
        try:
            await asyncio.wait([sending], timeout=seconds_left(request))
        finally:
            sending.cancel()
    return sender.response


class _Sender:
    """The response of one stream, while it is sent."""

    def __init__(self, request: web.Request, *, xml: bool) -> None:
        self.response = web.StreamResponse(headers=HEADERS)
        self.response.force_close()
        self._request = request
        self._xml = xml
        self._settings = request.app[keys.settings]

    async def send(self, owner: str, after: int | str) -> None:
        """Send events until the client has gone or does not read them."""
        pause = self._settings.stream_heartbeat_seconds
        pages = self._request.app[keys.events].pages(owner, after, pause=pause)
        try:
            await self.response.prepare(self._request)
            await self._write(f"retry: {RETRY_MILLISECONDS}\n\n")
            async with aclosing(pages):
                async for page in pages:
                    await self._write(self._text(page))
        except ConnectionError:
            return
        except TimeoutError:
            log.warning("a client did not read its events of %s: connection closed", owner)
            if self._request.transport is not None:
                self._request.transport.abort()
        except Refused as refused:
            # A client that reconnects is told what to do.
            log.info("a stream of events of %s has ended: %s", owner, refused.message)
        except Exception:
            log.exception("a stream of events of %s has failed", owner)

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(self._settings.request_timeout_seconds):
            await self.response.write(text.encode())

    def _text(self, page: ReadableEvents) -> str:
        """Return a page as events, a page without events as a comment and its cursor."""
        if not page.events:
            return f": still here\nid: {page.cursor}\n\n"
        lines = []
        for item in page.events:
            fields = events_json.event(item, xml=self._xml)
            data = orjson.dumps(fields).decode()
            lines.append(f"id: {item.event.cursor}\nevent: {fields['type']}\ndata: {data}\n\n")
        return "".join(lines)
