"""An archive as a file: {prefix}/v1/archives/{owner}/export."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiohttp import web

from component.core.access.authorize import Action
from component.core.access.principals import Principal
from component.core.errors import Refused
from component.web import keys
from component.web.admin.models import ExportParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.limits import time_limit
from component.web.server.operation import Content, operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at

log = logging.getLogger(__name__)

TYPES = {"jsonl": "application/x-ndjson", "xep0227": "application/xml"}

#: The name under which browsers save a file of each format.
NAMES = {"jsonl": "archive.jsonl", "xep0227": "archive.xml"}


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ARCHIVE}/export", export, allow_head=False)


@operation(
    "admin.archives.export",
    query=ExportParameters,
    answers={200: (Content("application/x-ndjson"), Content("application/xml"))},
)
async def export(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/export: a whole archive, as it is now."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    parameters = checked(ExportParameters, body.parameters(request))
    with request.config_dict[keys.stream_limit].slot(principal.name):
        return await send_archive(request, principal, owner, parameters.format)


async def send_archive(
    request: web.Request,
    principal: Principal,
    owner: str,
    format: str,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Authorize an export, and send the archive with further headers. Raises Refused."""
    source, authorizer = request.app[keys.administration].export, request.app[keys.authorizer]
    async with time_limit(request):
        since = await authorizer.authorize(principal, owner, Action.EXPORT, format)
    write = source.json_lines if format == "jsonl" else source.portable
    async with aclosing(write(owner, since=since)) as parts:
        async with time_limit(request):
            # Once the head of the answer is sent, the answer cannot be a refusal any more.
            first = await anext(parts, b"")
        answer = web.StreamResponse(headers={**(headers or {}), **_headers(format)})
        answer.force_close()
        await _send(request, answer, first, parts)
    return answer


async def _send(
    request: web.Request,
    answer: web.StreamResponse,
    first: bytes,
    parts: AsyncGenerator[bytes],
) -> None:
    """Send all parts. On failure the chunked answer is cut off, so the caller sees an error."""
    patience = request.app[keys.limits].request_timeout_seconds
    try:
        await answer.prepare(request)
        await answer.write(first)
        async for part in parts:
            async with asyncio.timeout(patience):
                await answer.write(part)
        await answer.write_eof()
    except ConnectionError:
        log.info("an export was not finished: the caller closed the connection")
    except (TimeoutError, Refused) as error:
        log.warning("an export was cut off: %s", str(error) or "the caller does not read it")
        if request.transport is not None:
            request.transport.abort()


def _headers(format: str) -> dict[str, str]:
    return {
        "Content-Type": TYPES[format],
        "Content-Disposition": f'attachment; filename="{NAMES[format]}"',
        "Cache-Control": "no-store",
    }
