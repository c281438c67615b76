"""The Remote Data contract of stanzas for offline users: {prefix}/offline/{user}."""

from __future__ import annotations

from aiohttp import web

from component.core.remote_data.posts import CHAT, owner_of
from component.core.xml.times import format_time
from component.web import keys
from component.web.remote_data.answers import WaitingCount, WaitingStanza
from component.web.remote_data.hosts import host_of, places
from component.web.remote_data.models import OfflinePost
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, each for the first virtual host and for a named one."""
    routes = []
    for place in places(prefix):
        user = f"{place}/offline/{{user:[^/]+}}"
        routes += routes_at(web.post, user, keep)
        routes += routes_at(web.post, f"{user}/pop", pop)
        routes += routes_at(web.get, f"{user}/count", count)
        routes += routes_at(web.delete, user, drop)
    return routes


@operation("remote_data.offline.keep", body=OfflinePost, takes_forms=True, answers={201: None})
async def keep(request: web.Request) -> web.Response:
    """POST {prefix}/offline/{user}: keep one stanza; 201 when it is durable."""
    owner = _owner(request)
    post = checked(OfflinePost, await body.fields(request))
    await request.app[keys.offline_stanzas].add(
        owner, peer=post.peer, packet=post.packet, timestamp=post.timestamp
    )
    return web.Response(status=201)


@operation("remote_data.offline.pop", answers={200: list[WaitingStanza]})
async def pop(request: web.Request) -> web.Response:
    """POST {prefix}/offline/{user}/pop: return and delete all stanzas, the oldest first."""
    stanzas = await request.app[keys.offline_stanzas].pop(_owner(request))
    return body.json_response(
        [
            {"peer": stanza.peer, "packet": stanza.stanza, "timestamp": format_time(stanza.at)}
            for stanza in stanzas
        ]
    )


@operation("remote_data.offline.count", answers={200: WaitingCount})
async def count(request: web.Request) -> web.Response:
    """GET {prefix}/offline/{user}/count: the number of stanzas."""
    return body.json_response(
        {"count": await request.app[keys.offline_stanzas].count(_owner(request))}
    )


@operation("remote_data.offline.drop", answers={200: None})
async def drop(request: web.Request) -> web.Response:
    """DELETE {prefix}/offline/{user}: delete all stanzas."""
    await request.app[keys.offline_stanzas].delete_all(_owner(request))
    return web.Response()


def _owner(request: web.Request) -> str:
    return owner_of(request.match_info["user"], CHAT, host_of(request), request.app[keys.jids])
