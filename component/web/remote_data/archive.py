"""The Remote Data contract of archives: {prefix}/archive and {prefix}/archive/items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from component.core.remote_data.archive import RemoteArchive
from component.core.remote_data.posts import CHAT, GROUPCHAT, body_of
from component.core.xml.jids import local
from component.core.xml.times import format_time
from component.web.auth import keys
from component.web.remote_data.hosts import host_of, places
from component.web.remote_data.models import ArchivePost, ArchiveQuery
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import at
from storage.rows import ArchivedMessage


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, each for the first virtual host and for a named one."""
    routes = []
    for place in places(prefix):
        routes += at(web.get, f"{place}/archive", read)
        routes += at(web.post, f"{place}/archive", store)
        routes += at(web.get, f"{place}/archive/items", count)
    return routes


async def read(request: web.Request) -> web.Response:
    """GET {prefix}/archive?username&type&peer&after&before&page&limit: one page of an archive."""
    host = host_of(request)
    answer = await request.app[keys.archive_calls].read(host, body.query(request))
    if request.app[keys.settings].count_as_string:
        answer = {**answer, "count": str(answer["count"])}
    return body.answer(answer)


async def store(request: web.Request) -> web.Response:
    """POST {prefix}/archive: store one message for one side; 200 when it is durable."""
    host = host_of(request)
    await request.app[keys.archive_calls].store(host, await body.fields(request))
    # ejabberd reads any body as JSON, but takes an empty one.
    return web.Response()


async def count(request: web.Request) -> web.Response:
    """GET {prefix}/archive/items?username&peer&after: how many messages there are."""
    host = host_of(request)
    return body.answer(await request.app[keys.archive_calls].count(host, body.query(request)))


class OwnArchive:
    """The archive of this program; implements `core.ports.ArchiveCalls`."""

    def __init__(self, archive: RemoteArchive) -> None:
        self._archive = archive

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Store one message for one side durably."""
        await self._archive.store(host, checked(ArchivePost, fields).post())

    async def read(self, host: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return one page."""
        query = checked(ArchiveQuery, parameters).query()
        answer = await self._archive.read(host, query)
        return {
            "archive": [_fields(answer.username, message) for message in answer.messages],
            "count": answer.count,
            "complete": answer.complete,
        }

    async def count(self, host: str, parameters: Mapping[str, str]) -> int:
        """Return how many messages match."""
        query = checked(ArchiveQuery, parameters).query()
        return await self._archive.count(host, query)


def _fields(username: str, message: ArchivedMessage) -> dict[str, Any]:
    fields = {
        "username": username,
        # The contract knows local parts only; a server writes to its users without one.
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
