"""Files: {prefix}/v1/archives/{owner}/export is an archive, .../personal-data all about a user."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiohttp import web

from component.core.access.authorize import Action
from component.core.access.principals import Principal, Role
from component.core.access.roles import require_role
from component.core.errors import Refused
from component.web import keys
from component.web.admin.models import ExportParameters
from component.web.archive.models import NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.limits import time_limit
from component.web.server.operation import Content, operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, owner_of, routes_at

log = logging.getLogger(__name__)

#: The format of a file with all that the store has about a user.
PERSONAL_DATA = "personal-data"

TYPES = {
    "jsonl": "application/x-ndjson",
    "xep0227": "application/xml",
    PERSONAL_DATA: "application/zip",
}

#: The name under which browsers save a file of each format.
NAMES = {"jsonl": "archive.jsonl", "xep0227": "archive.xml", PERSONAL_DATA: "personal-data.zip"}

#: The number of messages of an archive whose export begins.
MESSAGES_HEADER = "Muniment-Messages"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}{ARCHIVE}/export", export, allow_head=False),
        *routes_at(web.get, f"{prefix}{ARCHIVE}/personal-data", personal_data, allow_head=False),
    ]


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


@operation("admin.archives.personal_data", answers={200: Content("application/zip")})
async def personal_data(request: web.Request) -> web.StreamResponse:
    """GET {prefix}/v1/archives/{owner}/personal-data: all that the store has about a user."""
    principal = authenticate.require(request, Role.ADMIN)
    owner = await owner_of(request)
    checked(NoParameters, body.parameters(request))
    with request.config_dict[keys.stream_limit].slot(principal.name):
        return await send_archive(request, principal, owner, PERSONAL_DATA)


async def send_archive(
    request: web.Request,
    principal: Principal,
    owner: str,
    format: str,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Authorize an export, and send the file with further headers. Raises Refused."""
    administration, authorizer = request.app[keys.administration], request.app[keys.authorizer]
    if format == PERSONAL_DATA:
        # It has more than the archive: the audit log and the account.
        require_role(principal, Role.ADMIN)
    async with time_limit(request):
        since = await authorizer.authorize(principal, owner, Action.EXPORT, format)
        messages = (await administration.usage_of(owner)).messages
    match format:
        case "jsonl":
            source = administration.export.json_lines(owner, since=since)
        case "xep0227":
            source = administration.export.portable(owner, since=since)
        case _:
            source = administration.personal_data.zip(owner)
    async with aclosing(source) as parts:
        async with time_limit(request):
            # Once the head of the answer is sent, the answer cannot be a refusal any more.
            first = await anext(parts, b"")
        answer = web.StreamResponse(
            headers={**(headers or {}), **_headers(format), MESSAGES_HEADER: str(messages)}
        )
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
