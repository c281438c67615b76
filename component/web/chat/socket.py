"""Live events of chat over WebSocket (RFC 6455): {prefix}/v1/chat/events/socket.

The client only listens. Pings keep the connection open, and find out that a client has gone.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from urllib.parse import urlsplit

import orjson
from aiohttp import WSMsgType, web

from component.core.access.principals import User
from component.core.chat.following.live import LiveReader
from component.core.chat.following.place import Place
from component.core.errors import BadRequest, CursorExpired, Forbidden, Overloaded, Refused
from component.web import keys
from component.web.auth import bearer
from component.web.chat import live_json
from component.web.chat.live import begin, expired_fields, pages, place_of, reader_of
from component.web.chat.models import LiveParameters
from component.web.server.limits import on_disconnect, time_limit
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at

log = logging.getLogger(__name__)

#: Bytes that a client may send at once: it has nothing to say.
MESSAGE_MAX_BYTES = 1024

#: Codes with which we close (RFC 6455 section 7.4); from 4000 on they are our own.
GOING_AWAY = 1001
UNEXPECTED = 1008
FAILED = 1011
TRY_AGAIN = 1013
SIGN_IN_ENDED = 4401
CURSOR_EXPIRED = 4410


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}/events/socket", follow, allow_head=False)


@operation("chat.events.socket", query=LiveParameters, answers={101: None})
async def follow(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/chat/events/socket: events as they come, without end."""
    _check_origin(request)
    owner, live = await reader_of(request)
    parameters = checked(LiveParameters, bearer.stream_parameters(request))
    after = place_of(parameters, None)
    heartbeat = request.app[keys.settings].stream_heartbeat_seconds
    socket = web.WebSocketResponse(
        heartbeat=heartbeat, max_msg_size=MESSAGE_MAX_BYTES, compress=False
    )
    if not socket.can_prepare(request).ok:
        raise BadRequest("This address is for WebSocket (RFC 6455) alone.")
    streams = request.config_dict[keys.stream_limit]
    with streams.slot(owner):
        await socket.prepare(request)
        try:
            sending = streams.run(_send(request, socket, live, owner, after))
        except Overloaded:
            await socket.close(code=GOING_AWAY)
            return socket
        on_disconnect(request, sending.cancel)
        listening = asyncio.create_task(_listen(socket))
        ended = asyncio.create_task(bearer.wait_ended(request, pause=heartbeat))
        try:
            done, _ = await asyncio.wait(
                [sending, listening, ended], return_when=asyncio.FIRST_COMPLETED
            )
            code = SIGN_IN_ENDED if ended in done else _code(sending, listening)
        finally:
            for task in (sending, listening, ended):
                task.cancel()
            await asyncio.gather(sending, listening, ended, return_exceptions=True)
        await _close(request, socket, code)
    return socket


def _code(*tasks: asyncio.Task[int]) -> int:
    """Return the code of the first task that has one; one that was cancelled has none."""
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
    return GOING_AWAY


def _check_origin(request: web.Request) -> None:
    """Raise Forbidden if a page of a foreign origin opens the connection (section 10.2).

    Browsers let every page connect, and say only which page it is. The ticket in the query proves
    the user; the page has to be ours, or one that `cors_origins` names.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin in request.app[keys.limits].cors_origins:
        return
    try:
        is_own = urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        is_own = False
    if not is_own:
        raise Forbidden(
            "Origin: pages of this origin may not connect. Name it in public_http.cors_origins;"
            " behind a reverse proxy, have the proxy pass on the header Host."
        )


async def _listen(socket: web.WebSocketResponse) -> int:
    """Answer pings until the client closes the connection, or sends anything; return the code."""
    async for message in socket:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return UNEXPECTED
    return GOING_AWAY


async def _send(
    request: web.Request,
    socket: web.WebSocketResponse,
    live: LiveReader,
    owner: str,
    after: Place | None,
) -> int:
    """Send events until there can be no more; return the code to close with."""
    try:
        async with time_limit(request):
            begun = await begin(live, owner, after)
        await _send_json(request, socket, {"type": "begun", "cursor": begun.text()})
        async with aclosing(pages(request, owner, begun)) as following:
            async for page in following:
                events = await live_json.events(User(owner), request.app[keys.chat], page)
                for event in events:
                    await _send_json(request, socket, event)
    except CursorExpired as expired:
        async with time_limit(request):
            fields = await expired_fields(live, owner, expired)
        await _send_json(request, socket, {"type": "error", **fields})
        return CURSOR_EXPIRED
    except Refused as refused:
        log.info("a socket of chat of %s has ended: %s", owner, refused.message)
        return TRY_AGAIN
    except TimeoutError:
        log.warning("a client does not read its chat of %s: its connection is closed", owner)
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass
    except Exception:
        log.exception("a socket of chat of %s has failed", owner)
        return FAILED
    return GOING_AWAY


async def _send_json(
    request: web.Request, socket: web.WebSocketResponse, fields: dict[str, object]
) -> None:
    """Send an object; aiohttp keeps up to 64 KiB that the system does not take yet.

    Raises TimeoutError.
    """
    async with asyncio.timeout(request.app[keys.settings].request_timeout_seconds):
        await socket.send_str(orjson.dumps(fields).decode())


async def _close(request: web.Request, socket: web.WebSocketResponse, code: int) -> None:
    """Close the connection, in a bounded time."""
    if request.transport is None or request.transport.is_closing():
        return
    try:
        async with asyncio.timeout(request.app[keys.limits].stop_timeout_seconds):
            await socket.close(code=code)
    except (TimeoutError, ConnectionError):
        request.transport.abort()
