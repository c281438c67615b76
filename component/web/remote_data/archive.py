"""The Remote Data contract of archives: {prefix}/archive and {prefix}/archive/items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from component.core.remote_data.posts import CHAT, GROUPCHAT, body_of
from component.core.xml.jids import local
from component.core.xml.times import format_time
from component.web import keys
from component.web.remote_data.answers import RemotePage
from component.web.remote_data.hosts import host_of, places
from component.web.remote_data.models import ArchivePost, ArchiveQuery
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at
from storage.rows import ArchivedMessage


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, each for the first virtual host and for a named one."""
    routes = []
    for place in places(prefix):
        routes += routes_at(web.get, f"{place}/archive", read)
        routes += routes_at(web.post, f"{place}/archive", store)
        routes += routes_at(web.get, f"{place}/archive/items", count)
    return routes


@operation("remote_data.archive.read", query=ArchiveQuery, answers={200: RemotePage})
async def read(request: web.Request) -> web.Response:
    """GET {prefix}/archive?username&type&peer&after&before&page&limit: one page of an archive."""
    page = await _page(request, host_of(request))
    if request.app[keys.settings].count_as_string:
        page = {**page, "count": str(page["count"])}
    return body.json_response(page)


@operation("remote_data.archive.store", body=ArchivePost, takes_forms=True, answers={200: None})
async def store(request: web.Request) -> web.Response:
    """POST {prefix}/archive: store one message in one archive; 200 when it is durable."""
    host, fields = host_of(request), await body.fields(request)
    if request.app[keys.handler_archive].stores:
        await request.app[keys.handler_archive].store(host, fields)
    else:
        await request.app[keys.remote_archive].store(host, checked(ArchivePost, fields).post())
    # ejabberd reads any body as JSON, but accepts an empty one.
    return web.Response()


@operation("remote_data.archive.count", query=ArchiveQuery, answers={200: int})
async def count(request: web.Request) -> web.Response:
    """GET {prefix}/archive/items?username&peer&after: the number of messages."""
    host = host_of(request)
    if request.app[keys.handler_archive].reads:
        return body.json_response((await _page(request, host))["count"])
    query = checked(ArchiveQuery, body.query(request)).query()
    return body.json_response(await request.app[keys.remote_archive].count(host, query))


async def _page(request: web.Request, host: str) -> Mapping[str, Any]:
    """Return a page of the operator's module if it returns pages, or else of our own archive."""
    parameters = body.query(request)
    if request.app[keys.handler_archive].reads:
        return await request.app[keys.handler_archive].read(host, parameters)
    query = checked(ArchiveQuery, parameters).query()
    page = await request.app[keys.remote_archive].read(host, query)
    return {
        "archive": [_fields(page.username, message) for message in page.messages],
        "count": page.count,
        "complete": page.complete,
    }


def _fields(username: str, message: ArchivedMessage) -> dict[str, Any]:
    fields = {
        "username": username,
        # The contract has local parts only, but a server's own messages have none.
        "peer": local(message.peer) or message.peer,
        "xml": message.xml,
        "direction": message.direction,
        "timestamp": format_time(message.at),
        "type": GROUPCHAT if message.type == GROUPCHAT else CHAT,
        "nick": message.nick,
    }
    body = body_of(message.xml)
    if body is not None:
        fields["body"] = body
    return fields
