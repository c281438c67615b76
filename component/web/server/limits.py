"""Limits that aiohttp does not have: on connections, and on the time a caller may take.

Without them half a request keeps a connection for ever. The head of a request, the sending of an
answer and who gets a connection (`door`) are watched here, on the connection; the body in `body`;
an idle connection by aiohttp's own keep-alive timer.
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
from component.web.auth import keys
from component.web.server import errors
from component.web.server.access_log import AccessLog
from component.web.server.access_log import log as access
from component.web.server.connection_limit import ConnectionLimit
from component.web.server.settings import ListenerSettings

log = logging.getLogger(__name__)

#: How long the rest of a body is read after the answer, so that the caller gets to see that.
LINGERING_SECONDS = 2.0

#: What aiohttp takes of a request line and of each header.
LINE_MAX_BYTES = 8190

TOO_LONG = f"The request line, or a header, is longer than {LINE_MAX_BYTES} bytes."

Protocols = Callable[[], asyncio.Protocol]


@web.middleware
async def deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request its time, and the connection a sign that its head is complete."""
    connection = request.protocol
    if isinstance(connection, Connection):
        connection.head_is_read()
    if request.match_info.handler in request.app[keys.streaming_handlers]:
        return await handler(request)
    async with in_time(request):
        return await handler(request)


@asynccontextmanager
async def in_time(request: web.Request) -> AsyncIterator[None]:
    """Give what is done here the time of a request. Raises Overloaded when it is over."""
    try:
        async with asyncio.timeout(request.app[keys.limits].request_timeout_seconds) as timer:
            yield
    except TimeoutError as error:
        if not timer.expired():
            raise
        log.warning("%s %s took too long", request.method, request.rel_url.raw_path)
        raise Overloaded("This took too long: try again shortly.") from error


def when_lost(request: web.Request, call: Callable[[], object]) -> None:
    """Have something called as soon as the caller is gone."""
    if isinstance(request.protocol, Connection):
        request.protocol.on_lost = call


def connections(server: web.Server, settings: ListenerSettings) -> Protocols:
    """Return what makes the protocol of each new connection."""
    door = ConnectionLimit(settings)
    return lambda: Connection(server, settings, door)


class Connection(RequestHandler):
    """One connection, which is closed when its caller takes too long."""

    __slots__ = ("_door", "_is_answering", "_party", "_settings", "_timer", "on_lost")

    def __init__(
        self, server: web.Server, settings: ListenerSettings, door: ConnectionLimit
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=settings.keepalive_timeout_seconds,
            lingering_time=LINGERING_SECONDS,
            access_log_class=AccessLog,
            access_log=access,
        )
        self._settings = settings
        self._door = door
        self._party: str | None = None  # None: it was turned away
        self._timer: asyncio.TimerHandle | None = None
        self._is_answering = False
        self.on_lost: Callable[[], object] | None = None  #: who wants to know the end of it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless it is turned away."""
        transport = cast(asyncio.Transport, transport)
        try:
            self._party = self._door.enter(transport)
        except Refused as refused:
            _turn_away(transport, refused)
            return
        # An answer counts as sent when the system has all of it: what waits in a buffer of ours
        # would keep a connection open that its caller never reads.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._forget_timer()
        if self._party is not None:
            self._door.leave(self._party)
        if self.on_lost is not None:
            self.on_lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the first bytes of a request start its time."""
        if data and not self._is_answering and self._timer is None:
            self._watch_head()
        super().data_received(data)

    def head_is_read(self) -> None:
        """Note that a handler has the request."""
        self._is_answering = True
        self._forget_timer()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, as long as the caller takes it."""
        if isinstance(resp, web.HTTPException):
            # Raised before any middleware: an Expect header that cannot be met.
            resp = errors.of_aiohttp(resp)
        self._watch(self._settings.request_timeout_seconds, self._break_off)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._forget_timer()
            self._is_answering = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request, in one line of the log."""
        self.head_is_read()
        if not isinstance(exc, HttpProcessingError):
            super().handle_error(request, status, exc, message)
            return errors.crash()
        # What exactly was wrong may quote a header, and so a secret.
        log.info("malformed HTTP from %s: %s", request.remote, type(exc).__name__)
        if isinstance(exc, LineTooLong):
            answer = errors.response(errors.CONDITIONS[431], TOO_LONG, 431)
        else:
            answer = errors.response("bad-request", "This is not a well-formed HTTP request.", 400)
        answer.force_close()
        return answer

    def _watch_head(self) -> None:
        self._watch(self._settings.header_timeout_seconds, self.force_close)

    def _break_off(self) -> None:
        log.warning("an HTTP caller did not take its answer: connection closed")
        if self.transport is not None:
            # Whoever waits to send on is woken by this.
            self.transport.abort()

    def _watch(self, seconds: float, on_end: Callable[[], None]) -> None:
        self._forget_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, on_end)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _turn_away(transport: asyncio.WriteTransport, refused: Refused) -> None:
    body = errors.body(refused.condition, refused.message, refused.status)
    transport.write(
        b"HTTP/1.1 %d %b\r\n"
        b"Content-Type: application/json; charset=utf-8\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (refused.status, HTTPStatus(refused.status).phrase.encode(), len(body), body)
    )
    transport.close()
