"""The archive API: {prefix}/v1/archives/{owner}, for operators and the server."""

from __future__ import annotations

from aiohttp import web

from component.web.archive.messages_json import message, place
from component.web.archive.models import MessageParameters, MessagesParameters, NoParameters
from component.web.auth import authenticate, keys
from component.web.server import body
from component.web.server.checking import checked
from component.web.server.paths import ARCHIVE, at, id_of, owner_of


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    archive = f"{prefix}{ARCHIVE}"
    return [
        *at(web.get, archive, summary),
        *at(web.get, f"{archive}/messages", messages),
        *at(web.get, f"{archive}/messages/{{id}}", one),
    ]


async def summary(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}: what there is of an archive."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    summary = await request.app[keys.reader].summary(principal, owner)
    return body.answer(
        {
            "owner": owner,
            "count": summary.count,
            "bytes": summary.bytes,
            "first": summary.first and place(summary.first),
            "last": summary.last and place(summary.last),
        }
    )


async def messages(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/messages: one page of its messages."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    asked = checked(MessagesParameters, body.parameters(request, "ids", "kind"))
    query = asked.query(request.app[keys.jids])
    page = await request.app[keys.reader].readable_page(
        principal, owner, query, folded=asked.is_folded
    )
    ids = [item.message.stored.id for item in page.items]
    return body.page(
        request,
        {
            "messages": [message(item, xml=asked.xml) for item in page.items],
            "count": page.count,
            "index": page.index,
        },
        place="before" if query.backwards else "after",
        next=None if page.complete else ids[-1],
    )


async def one(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/messages/{id}: one message."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    asked = checked(MessageParameters, body.parameters(request))
    item = await request.app[keys.reader].message(
        principal, owner, id_of(request), folded=asked.is_folded
    )
    return body.answer(message(item, xml=asked.xml))
