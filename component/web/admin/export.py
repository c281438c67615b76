"""An archive as a file: {prefix}/v1/archives/{owner}/export."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from component.core.access.authorize import Action
from component.core.access.principals import Principal
from component.core.errors import Refused
from component.web.admin.models import ExportParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.limits import in_time
from component.web.server.paths import ARCHIVE, at, owner_of

log = logging.getLogger(__name__)

TYPES = {"jsonl": "application/x-ndjson", "xep0227": "application/xml"}

#: What the file of a format is called by browsers.
NAMES = {"jsonl": "archive.jsonl", "xep0227": "archive.xml"}


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return at(web.get, f"{prefix}{ARCHIVE}/export", export, allow_head=False)


async def export(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/export: all of an archive, as it was at the start."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    asked = checked(ExportParameters, body.parameters(request))
    with request.app[keys.streams].taken(principal.name):
        return await _answer(request, principal, owner, asked.format)


async def _answer(
    request: web.Request, principal: Principal, owner: str, format: str
) -> web.StreamResponse:
    source, authorizer = request.app[keys.administration].export, request.app[keys.authorizer]
    async with in_time(request):
        since = await authorizer.authorize(principal, owner, Action.EXPORT, format)
    write = source.json_lines if format == "jsonl" else source.portable
    async with aclosing(write(owner, since=since)) as parts:
        async with in_time(request):
            # Before the head of the answer is sent a refusal can still be one.
            first = await anext(parts, b"")
        answer = web.StreamResponse(headers=_headers(format))
        answer.force_close()
        await _send(request, answer, first, parts)
    return answer


async def _send(
    request: web.Request,
    answer: web.StreamResponse,
    first: bytes,
    parts: AsyncGenerator[bytes],
) -> None:
    """Send all parts, as long as the caller takes them; what is cut off ends without an end."""
    patience = request.app[keys.settings].request_timeout_seconds
    try:
        await answer.prepare(request)
        await answer.write(first)
        async for part in parts:
            async with asyncio.timeout(patience):
                await answer.write(part)
        await answer.write_eof()
    except ConnectionError:
        log.info("an export was not taken to its end")
    except (TimeoutError, Refused) as error:
        log.warning("an export was cut off: %s", str(error) or "its caller does not take it")
        if request.transport is not None:
            request.transport.abort()


def _headers(format: str) -> dict[str, str]:
    return {
        "Content-Type": TYPES[format],
        "Content-Disposition": f'attachment; filename="{NAMES[format]}"',
        "Cache-Control": "no-store",
    }
