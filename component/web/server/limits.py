"""Limits that aiohttp does not have: on connections, and on the time that a caller may take.

Without them half a request keeps a connection open for ever. `Connection` limits the time to send
the head of a request and to read the answer, and asks `ConnectionLimit` whether there is room.
`body` limits the time to send the body. aiohttp's own keep-alive timer closes idle connections.

aiohttp has neither these time-outs nor a hook for them, so `Connection` subclasses its
`RequestHandler`, whose methods are no public API. It is tested with aiohttp 3.14; a newer minor
version may need changes here (docs/decisions/0008-dependencies.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from component.core.errors import Overloaded, Refused
from component.web import keys
from component.web.server import errors
from component.web.server.access_log import AccessLog
from component.web.server.access_log import log as access
from component.web.server.connection_limit import ConnectionLimit
from component.web.server.settings import ListenerSettings

log = logging.getLogger(__name__)

#: Seconds to read the rest of a body after the answer, so that the caller can read the answer.
LINGERING_SECONDS = 2.0

#: The longest request line, and the longest header, that aiohttp accepts.
LINE_MAX_BYTES = 8190

TOO_LONG = f"The request line, or a header, is longer than {LINE_MAX_BYTES} bytes."

Protocols = Callable[[], asyncio.Protocol]


@web.middleware
async def refuse_beyond_limits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """On a connection beyond the limits, answer only what whoever watches the program asks."""
    connection = request.protocol
    if isinstance(connection, Connection) and connection.refusal is not None:
        connection.head_is_read()
        if not any(app.get(keys.is_watched, False) for app in request.match_info.apps):
            raise connection.refusal
    return await handler(request)


@web.middleware
async def enforce_deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection that the head is complete, and limit the time for the answer."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.head_is_read()
    if request.match_info.handler in request.app[keys.streaming_handlers]:
        return await handler(request)
    async with time_limit(request):
        return await handler(request)


@asynccontextmanager
async def time_limit(request: web.Request) -> AsyncIterator[None]:
    """Limit the time of the block to that of a request. Raises Overloaded after it."""
    try:
        async with asyncio.timeout(request.app[keys.limits].request_timeout_seconds) as timer:
            yield
    except TimeoutError as error:
        if not timer.expired():
            raise
        log.warning("%s %s took too long", request.method, request.rel_url.raw_path)
        raise Overloaded("This took too long: try again shortly.") from error


def on_disconnect(request: web.Request, call: Callable[[], object]) -> None:
    """Call `call` as soon as the connection of the caller is lost."""
    if isinstance(request.protocol, Connection):
        request.protocol.on_lost = call


def connection_factory(server: web.Server, settings: ListenerSettings) -> Protocols:
    """Return the factory of protocols, one for each new connection of a listener."""
    connection_limit = ConnectionLimit(settings)
    return lambda: Connection(server, settings, connection_limit)


class Connection(RequestHandler):
    """A connection, which closes if its caller takes too long."""

    __slots__ = (
        *("_connection_limit", "_is_answering", "_party", "_reserved_party", "_settings"),
        *("_timer", "on_lost", "refusal"),
    )

    def __init__(
        self, server: web.Server, settings: ListenerSettings, connection_limit: ConnectionLimit
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=settings.keepalive_timeout_seconds,
            lingering_time=LINGERING_SECONDS,
            access_log_class=AccessLog,
            access_log=access,
            # A small body could expand to hundreds of megabytes, on the event loop.
            auto_decompress=False,
        )
        self._settings = settings
        self._connection_limit = connection_limit
        self._party: str | None = None  # None: the connection was refused
        self._reserved_party: str | None = None
        self.refusal: Overloaded | None = None  #: of all requests but for health and metrics
        self._timer: asyncio.TimerHandle | None = None
        self._is_answering = False
        self.on_lost: Callable[[], object] | None = None  #: called when the connection is lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or refuse it."""
        transport = cast(asyncio.Transport, transport)
        try:
            self._party = self._connection_limit.enter(transport)
        except Overloaded as refused:
            self._reserved_party = self._connection_limit.enter_reserve(transport)
            if self._reserved_party is None:
                _refuse(transport, refused)
                return
            self.refusal = refused
        except Refused as refused:
            _refuse(transport, refused)
            return
        # Without a buffer of ours an answer counts as sent once the system has all of it. A buffer
        # would hide that the caller does not read.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free the place of the connection."""
        self._stop_timer()
        if self._party is not None:
            self._connection_limit.leave(self._party)
        if self._reserved_party is not None:
            self._connection_limit.leave_reserve(self._reserved_party)
        if self.on_lost is not None:
            self.on_lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on; the first ones of a request start the timer of its head."""
        if data and not self._is_answering and self._timer is None:
            self._watch_head()
        super().data_received(data)

    def head_is_read(self) -> None:
        """Stop the timer of the head: a handler has the request."""
        self._is_answering = True
        self._stop_timer()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, and close the connection if the caller does not read it in time."""
        if isinstance(resp, web.HTTPException):
            # Raised before any middleware: an Expect header that cannot be met.
            resp = errors.of_aiohttp(resp)
        if self.refusal is not None:
            # So that the next one who watches finds room.
            resp.force_close()
        self._watch(self._settings.request_timeout_seconds, self._abort)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._stop_timer()
            self._is_answering = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed HTTP, which never becomes a request, and log it in one line."""
        self.head_is_read()
        if not isinstance(exc, HttpProcessingError):
            super().handle_error(request, status, exc, message)
            return errors.crash()
        # The text of the exception may quote a header, and so a secret.
        log.info("malformed HTTP from %s: %s", request.remote, type(exc).__name__)
        if isinstance(exc, LineTooLong):
            answer = errors.response(errors.CONDITIONS[431], TOO_LONG, 431)
        else:
            answer = errors.response("bad-request", "This is not a well-formed HTTP request.", 400)
        answer.force_close()
        return answer

    def _watch_head(self) -> None:
        self._watch(self._settings.header_timeout_seconds, self.force_close)

    def _abort(self) -> None:
        log.warning("an HTTP caller does not read its answer: its connection is closed")
        if self.transport is not None:
            # This wakes a handler that waits to send more.
            self.transport.abort()

    def _watch(self, seconds: float, on_end: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, on_end)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _refuse(transport: asyncio.WriteTransport, refused: Refused) -> None:
    body = errors.body(refused.condition, refused.message, refused.status)
    transport.write(
        b"HTTP/1.1 %d %b\r\n"
        b"Content-Type: application/json; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (refused.status, HTTPStatus(refused.status).phrase.encode(), len(body), body)
    )
    transport.close()
