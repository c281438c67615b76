"""Server-Sent Events: a response that is sent until its caller or its time has gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from component.core.errors import Refused
from component.web import keys
from component.web.auth.bearer import wait_ended
from component.web.server.limits import on_disconnect

log = logging.getLogger(__name__)

#: Milliseconds until a client that has lost its connection reconnects.
RETRY_MILLISECONDS = 2000

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # Without it nginx buffers events.
    "X-Accel-Buffering": "no",
}

Texts = AsyncGenerator[str, None]


async def respond(
    request: web.Request, texts: Texts, subject: str, *, end_level: int = logging.WARNING
) -> web.StreamResponse:
    """Send texts until they end, the client disconnects, or its sign-in or access token ends.

    `subject` names the stream in the log; `end_level` is the level at which its end is logged.
    Raises Overloaded while the program stops.
    """
    response = web.StreamResponse(headers=HEADERS)
    response.force_close()
    sending = request.config_dict[keys.stream_limit].run(
        _send(request, response, texts, subject, end_level)
    )
    on_disconnect(request, sending.cancel)
    pause = request.app[keys.settings].stream_heartbeat_seconds
    ended = asyncio.create_task(wait_ended(request, pause=pause))
    try:
        await asyncio.wait([sending, ended], return_when=asyncio.FIRST_COMPLETED)
    finally:
        sending.cancel()
        ended.cancel()
    return response


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    texts: Texts,
    subject: str,
    end_level: int,
) -> None:
    """Send texts until they end, the client disconnects or does not read them."""
    write_seconds = request.app[keys.settings].request_timeout_seconds
    try:
        await response.prepare(request)
        async with aclosing(texts):
            async for text in texts:
                async with asyncio.timeout(write_seconds):
                    await response.write(text.encode())
    except ConnectionError:
        return
    except TimeoutError:
        log.warning("a client does not read its stream of %s: its connection is closed", subject)
        if request.transport is not None:
            request.transport.abort()
    except Refused as refused:
        log.log(end_level, "a stream of %s has ended: %s", subject, refused.message)
    except Exception:
        log.exception("a stream of %s has failed", subject)
