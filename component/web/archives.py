"""The archive API: {prefix}/v1/archives/{owner}, for operators and the server."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.errors import BadRequest, ItemNotFound
from component.core.jids import local, resource
from component.core.operators import Role
from component.web import auth, body, keys
from component.web.archive_models import MessageParameters, MessagesParameters, NoParameters
from component.web.messages_json import message, place

#: One archive. The JID of its owner may have braces, which aiohttp takes for none of a name.
ARCHIVE = "/v1/archives/{owner:[^/]+}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    archive = f"{prefix}{ARCHIVE}"
    return [
        *get(archive, summary),
        *get(f"{archive}/messages", messages),
        *get(f"{archive}/messages/{{id}}", one),
    ]


def get(path: str, handler: Handler) -> list[web.RouteDef]:
    """Return the routes of what is read at a path, with a slash behind it or without."""
    return [web.get(path, handler), web.get(f"{path}/", handler)]


def owner_of(request: web.Request) -> str:
    """Return whose archive a path names. Raises ItemNotFound when it names nobody's."""
    try:
        owner = request.app[keys.jids].prepare(request.match_info["owner"])
    except BadRequest as error:
        raise ItemNotFound(f"This is no JID: {error.message}") from error
    if not local(owner) or resource(owner):
        raise ItemNotFound("An archive belongs to a bare JID like user@domain.")
    return owner


async def summary(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}: what there is of an archive."""
    caller, owner = auth.require(request, Role.READER), owner_of(request)
    NoParameters.model_validate(body.parameters(request))
    found = await request.app[keys.reading].summary(caller.name, owner)
    return body.answer(
        {
            "owner": owner,
            "count": found.count,
            "bytes": found.bytes,
            "first": found.first and place(found.first),
            "last": found.last and place(found.last),
        }
    )


async def messages(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/messages: one page of its messages."""
    caller, owner = auth.require(request, Role.READER), owner_of(request)
    asked = MessagesParameters.model_validate(body.parameters(request, "ids", "kind"))
    query = asked.query(request.app[keys.jids])
    found = await request.app[keys.reading].page(caller.name, owner, query)
    ids = [item.message.stored.id for item in found.items]
    return body.page(
        request,
        {
            "messages": [message(item, xml=asked.xml) for item in found.items],
            "count": found.count,
            "index": found.index,
        },
        place="before" if query.newest_first else "after",
        next=None if found.complete else ids[-1],
    )


async def one(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/messages/{id}: one message."""
    caller, owner = auth.require(request, Role.READER), owner_of(request)
    asked = MessageParameters.model_validate(body.parameters(request))
    item = await request.app[keys.reading].message(
        caller.name, owner, request.match_info["id"], folded=asked.view == "folded"
    )
    return body.answer(message(item, xml=asked.xml))
