"""What takes messages away, for admins: {prefix}/v1/archives, {prefix}/v1/purges."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.retention.admin import purge_fields, usage_fields
from component.core.retention.erasure import TIMEOUT_SHARE
from component.web.admin import export, rules
from component.web.admin.models import PurgeFields, UsageParameters
from component.web.archive.models import NoParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.paths import ARCHIVE, at, bare_jid, check_served, id_of, owner_of
from storage.rows import Removed

PURGES = "/v1/purges"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *at(web.get, f"{prefix}/v1/archives", usage),
        *at(web.delete, f"{prefix}{ARCHIVE}", erase),
        *at(web.delete, f"{prefix}{ARCHIVE}/messages/{{id}}", delete),
        *at(web.post, f"{prefix}{PURGES}", purge),
        *at(web.get, f"{prefix}{PURGES}", progress),
        *rules.routes(prefix),
        *export.routes(prefix),
    ]


async def usage(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives: what archives take up, by owner."""
    caller = authenticate.require(request, Role.ADMIN)
    asked = checked(UsageParameters, body.parameters(request))
    limit = request.app[keys.pages].size(asked.limit)
    domain = None if asked.domain is None else request.app[keys.jids].prepare(asked.domain)
    if domain is not None:
        await check_served(request, domain)
    await request.app[keys.audit].record(caller.name, "list", domain or "*", "archives")
    found = await request.app[keys.administration].usage(domain, asked.after, limit + 1)
    return body.page(
        request,
        {"archives": [usage_fields(each) for each in found[:limit]]},
        place="after",
        next=found[limit - 1].owner if len(found) > limit else None,
    )


async def erase(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}: 200 when it is done, 202 while it goes on."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    administration = request.app[keys.administration]
    administration.holds.refuse_if_held(owner)
    await request.app[keys.audit].record(caller.name, "erase", owner)
    wait_seconds = TIMEOUT_SHARE * request.app[keys.settings].request_timeout_seconds
    return _shed(await administration.erasure.erase(owner, wait_seconds=wait_seconds))


async def delete(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/messages/{id}: empty one message."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    administration, id = request.app[keys.administration], id_of(request)
    administration.holds.refuse_if_held(owner)
    await request.app[keys.audit].record(caller.name, "delete", owner, f"message {id[:80]}")
    return _shed(await administration.erasure.blank(owner, id))


async def purge(request: web.Request) -> web.Response:
    """POST {prefix}/v1/purges: take away now what is beyond its bounds; 202 when it began."""
    caller = authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    given = await body.fields(request) if request.can_read_body else {}
    asked = checked(PurgeFields, given)
    owner = None if asked.owner is None else bare_jid(request, asked.owner)
    if owner is not None:
        await check_served(request, owner)
    detail = "confirm true" if asked.confirm else ""
    await request.app[keys.audit].record(caller.name, "purge", owner or "*", detail)
    janitor = request.app[keys.administration].janitor
    begun = await janitor.order(caller.name, owner, is_confirmed=asked.confirm)
    return body.answer(purge_fields(begun), status=202)


async def progress(request: web.Request) -> web.Response:
    """GET {prefix}/v1/purges: how far the purge is that is under way, and how the last one was."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    janitor = request.app[keys.administration].janitor
    return body.answer(
        {
            "current": janitor.current and purge_fields(janitor.current),
            "last": janitor.last and purge_fields(janitor.last),
        }
    )


def _shed(shed: Removed) -> web.Response:
    fields = {"messages": shed.messages, "bytes": shed.bytes, "done": shed.done}
    return body.answer(fields, status=200 if shed.done else 202)
