"""Sizes, erasures and purges of archives, for admins: {prefix}/v1/archives, /v1/purges."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.retention.admin import purge_fields, usage_fields
from component.core.retention.erasure import TIMEOUT_SHARE
from component.web import keys
from component.web.admin.models import PurgeFields, UsageParameters
from component.web.archive.models import NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, bare_jid, check_served, id_of, owner_of, routes_at
from storage.rows import Removed

PURGES = "/purges"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}/archives", usage),
        *routes_at(web.delete, f"{prefix}{ARCHIVE}", erase),
        *routes_at(web.delete, f"{prefix}{ARCHIVE}/messages/{{id}}", delete),
        *routes_at(web.post, f"{prefix}{PURGES}", purge),
        *routes_at(web.get, f"{prefix}{PURGES}", progress),
    ]


async def usage(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives: the sizes of archives, by owner."""
    caller = authenticate.require(request, Role.ADMIN)
    parameters = checked(UsageParameters, body.parameters(request))
    limit = request.app[keys.pager].size(parameters.limit)
    domain = (
        None if parameters.domain is None else request.app[keys.jids].prepare(parameters.domain)
    )
    if domain is not None:
        await check_served(request, domain)
    await request.app[keys.audit].record(caller.name, "list", domain or "*", "archives")
    usages = await request.app[keys.administration].usage(domain, parameters.after, limit + 1)
    return body.page(
        request,
        {"archives": [usage_fields(usage) for usage in usages[:limit]]},
        cursor="after",
        next=usages[limit - 1].owner if len(usages) > limit else None,
    )


async def erase(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}: erase an archive; 202 if the erasure continues."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    administration = request.app[keys.administration]
    administration.holds.refuse_if_held(owner)
    await request.app[keys.audit].record(caller.name, "erase", owner)
    wait_seconds = TIMEOUT_SHARE * request.app[keys.limits].request_timeout_seconds
    return _removed(await administration.erasure.erase(owner, wait_seconds=wait_seconds))


async def delete(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/messages/{id}: blank one message."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    administration, id = request.app[keys.administration], id_of(request)
    administration.holds.refuse_if_held(owner)
    await request.app[keys.audit].record(caller.name, "delete", owner, f"message {id[:80]}")
    return _removed(await administration.erasure.blank(owner, id))


async def purge(request: web.Request) -> web.Response:
    """POST {prefix}/v1/purges: start a purge now; 202 when it has begun."""
    caller = authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    values = await body.fields(request) if request.can_read_body else {}
    fields = checked(PurgeFields, values)
    owner = None if fields.owner is None else bare_jid(request, fields.owner)
    if owner is not None:
        await check_served(request, owner)
    detail = "confirm true" if fields.confirm else ""
    await request.app[keys.audit].record(caller.name, "purge", owner or "*", detail)
    janitor = request.app[keys.administration].janitor
    begun = await janitor.order(caller.name, owner, is_confirmed=fields.confirm)
    return body.json_response(purge_fields(begun), status=202)


async def progress(request: web.Request) -> web.Response:
    """GET {prefix}/v1/purges: the running purge, and the last one."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    janitor = request.app[keys.administration].janitor
    return body.json_response(
        {
            "current": janitor.current and purge_fields(janitor.current),
            "last": janitor.last and purge_fields(janitor.last),
        }
    )


def _removed(removed: Removed) -> web.Response:
    fields = {"messages": removed.messages, "bytes": removed.bytes, "done": removed.done}
    return body.json_response(fields, status=200 if removed.done else 202)
