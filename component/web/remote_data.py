"""The Remote Data contract of ejabberd: {prefix}/archive and {prefix}/archive/items."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.errors import ItemNotFound
from component.core.remote_data import Item
from component.web import auth, body, keys
from component.web.models import ArchivePost, ArchiveQuery


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, each for the first virtual host and for a named one."""
    found = []
    for place in (prefix, f"{prefix}/{{host}}"):
        # ejabberd cuts slashes off the end of a path, and the first server wanted them there.
        for end in ("", "/"):
            found += [
                web.get(f"{place}/archive{end}", read),
                web.post(f"{place}/archive{end}", store),
                web.get(f"{place}/archive/items{end}", count),
            ]
    return found


async def read(request: web.Request) -> web.Response:
    """GET {prefix}/archive?username&type&peer&after&before&page&limit: one page of an archive."""
    host = _host(request)
    query = ArchiveQuery.model_validate(body.query(request)).query()
    answer = await request.app[keys.remote_archive].read(host, query)
    return body.answer(
        {
            "archive": [_fields(item) for item in answer.items],
            "count": answer.count,
            "complete": answer.complete,
        }
    )


async def store(request: web.Request) -> web.Response:
    """POST {prefix}/archive: store one message for one side; 200 when it is durable."""
    host = _host(request)
    post = ArchivePost.model_validate(await body.fields(request)).post()
    await request.app[keys.remote_archive].store(host, post)
    # ejabberd reads every body as JSON, and takes an empty one.
    return web.Response()


async def count(request: web.Request) -> web.Response:
    """GET {prefix}/archive/items?username&peer&after: how many messages there are."""
    host = _host(request)
    query = ArchiveQuery.model_validate(body.query(request)).query()
    return body.answer(await request.app[keys.remote_archive].count(host, query))


def _host(request: web.Request) -> str:
    """Return the virtual host that is meant, to the server itself and nobody else."""
    auth.require_server(request)
    hosts = request.app[keys.hosts]
    host = request.match_info.get("host", hosts[0])
    if host not in hosts:
        raise ItemNotFound("There is no such virtual host here.")
    return host


def _fields(item: Item) -> dict[str, Any]:
    fields = {
        "username": item.username,
        "peer": item.peer,
        "xml": item.xml,
        "direction": item.direction.value,
        "timestamp": item.timestamp,
        "type": item.type,
        "nick": item.nick,
    }
    return fields if item.body is None else {**fields, "body": item.body}
