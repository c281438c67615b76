"""The archive API: {prefix}/v1/archives/{owner}. `core.reading.reader` checks access."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.archive.answers import Message, MessagesPage, Summary
from component.web.archive.messages_json import gap, message, place
from component.web.archive.models import MessageParameters, MessagesParameters, NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, id_of, owner_of, routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    archive = f"{prefix}{ARCHIVE}"
    return [
        *routes_at(web.get, archive, summary),
        *routes_at(web.get, f"{archive}/messages", messages),
        *routes_at(web.get, f"{archive}/messages/{{id}}", single),
    ]


@operation("archive.summary", answers={200: Summary})
async def summary(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}: the size of an archive, its first and last message."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    checked(NoParameters, body.parameters(request))
    summary = await request.app[keys.reader].summary(principal, owner)
    return body.json_response(
        {
            "owner": owner,
            "count": summary.count,
            "bytes": summary.bytes,
            "first": summary.first and place(summary.first),
            "last": summary.last and place(summary.last),
        }
    )


@operation("archive.messages.list", query=MessagesParameters, answers={200: MessagesPage})
async def messages(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/messages: one page of its messages."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    parameters = checked(MessagesParameters, body.parameters(request, "ids", "kind"))
    query = parameters.query(request.app[keys.jids])
    page = await request.app[keys.reader].readable_page(
        principal, owner, query, folded=parameters.is_folded
    )
    ids = [item.message.stored.id for item in page.items]
    return body.page(
        request,
        {
            "messages": [message(item, xml=parameters.xml) for item in page.items],
            "count": page.count,
            "index": page.index,
            "gaps": [gap(spanned) for spanned in page.gaps],
        },
        cursor="before" if query.backwards else "after",
        next=None if page.complete else ids[-1],
    )


@operation("archive.messages.read", query=MessageParameters, answers={200: Message})
async def single(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/messages/{id}: one message."""
    principal, owner = authenticate.principal(request), await owner_of(request)
    parameters = checked(MessageParameters, body.parameters(request))
    item = await request.app[keys.reader].message(
        principal, owner, id_of(request), folded=parameters.is_folded
    )
    return body.json_response(message(item, xml=parameters.xml))
