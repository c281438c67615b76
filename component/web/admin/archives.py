"""Sizes, erasures and purges of archives, for admins: {prefix}/v1/archives, /v1/purges."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import Role
from component.core.retention.admin import purge_fields, usage_fields
from component.core.retention.erasure import TIMEOUT_SHARE
from component.web import keys
from component.web.admin.answers import Purge, Purges, Removal, UsagePage
from component.web.admin.models import PurgeFields, UsageParameters
from component.web.archive.models import NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, bare_jid, id_of, owner_of, routes_at
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


@operation("admin.archives.list", query=UsageParameters, answers={200: UsagePage})
async def usage(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives: the sizes of archives, by owner."""
    caller = authenticate.require(request, Role.ADMIN)
    parameters = checked(UsageParameters, body.parameters(request))
    limit = request.app[keys.pager].size(parameters.limit)
    domain = (
        None if parameters.domain is None else request.app[keys.jids].prepare(parameters.domain)
    )
    orders = request.app[keys.orders]
    usages = await orders.list(caller, domain, parameters.after, limit + 1)
    return body.page(
        request,
        {"archives": [usage_fields(usage) for usage in usages[:limit]]},
        cursor="after",
        next=usages[limit - 1].owner if len(usages) > limit else None,
    )


@operation("admin.archives.erase", answers={200: Removal, 202: Removal})
async def erase(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}: erase an archive; 202 if the erasure continues."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    wait_seconds = TIMEOUT_SHARE * request.app[keys.limits].request_timeout_seconds
    orders = request.app[keys.orders]
    return _removed(await orders.erase(caller, owner, wait_seconds=wait_seconds))


@operation("admin.archives.blank", answers={200: Removal, 202: Removal})
async def delete(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/messages/{id}: blank one message."""
    caller, owner = authenticate.require(request, Role.ADMIN), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    id = id_of(request)
    return _removed(await request.app[keys.orders].blank(caller, owner, id))


@operation("admin.purges.start", body=PurgeFields, is_body_required=False, answers={202: Purge})
async def purge(request: web.Request) -> web.Response:
    """POST {prefix}/v1/purges: start a purge now; 202 when it has begun."""
    caller = authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.parameters(request))
    values = await body.fields(request) if request.can_read_body else {}
    fields = checked(PurgeFields, values)
    owner = None if fields.owner is None else bare_jid(request, fields.owner)
    begun = await request.app[keys.orders].purge(caller, owner, is_confirmed=fields.confirm)
    return body.json_response(purge_fields(begun), status=202)


@operation("admin.purges.read", answers={200: Purges})
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
