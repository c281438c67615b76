"""Messages: {gateway}/sessions/{session_id}/messages, and those of one contact."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from component.core.gateway.errors import ContactError
from component.core.gateway.reader import Changes, Query
from component.web import keys
from component.web.gateway import objects_json
from component.web.gateway.answers import ChangedMessages, Messages
from component.web.gateway.authenticate import session
from component.web.gateway.contacts import CONTACT
from component.web.gateway.models import MessagesBody, ReadParameters, body_of
from component.web.gateway.reads import offset_of, parameters_of, query_of
from component.web.gateway.sessions import SESSION
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.paths import routes_at


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}{SESSION}/messages", listed, allow_head=False),
        *routes_at(web.get, f"{prefix}{CONTACT}/messages", of_contact, allow_head=False),
        *routes_at(web.post, f"{prefix}{CONTACT}/messages", send),
    ]


@operation("gateway.messages.list", query=ReadParameters, answers={200: ChangedMessages})
async def listed(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}/messages: messages with all contacts."""
    return await _messages(request, query_of(request, parameters_of(request), messages=True))


@operation("gateway.messages.of_contact", query=ReadParameters, answers={200: ChangedMessages})
async def of_contact(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}/contacts/{contact_id}/messages: those with one."""
    query = query_of(request, parameters_of(request), messages=True)
    owner, id = session(request).jid, request.match_info["contact_id"]
    try:
        contact = await request.app[keys.gateway].contacts.find(owner, id)
    except ContactError:
        return _response(Changes(event_id=query.offset.event_id), query)
    return await _messages(request, replace(query, peer=contact.jid))


@operation("gateway.messages.send", body=MessagesBody, answers={200: Messages})
async def send(request: web.Request) -> web.Response:
    """POST {gateway}/sessions/{session_id}/contacts/{contact_id}/messages: send a message."""
    fields = (await body_of(request, MessagesBody)).messages
    owner, contacts = session(request).jid, request.app[keys.gateway].contacts
    contact = await contacts.find(owner, request.match_info["contact_id"])
    sent = await contacts.send(owner, contact, fields.text, fields.id)
    return body.json_response({"messages": [objects_json.message(sent)]})


async def _messages(request: web.Request, query: Query) -> web.Response:
    owner, gateway = session(request).jid, request.app[keys.gateway]
    changes = await gateway.reader.read(owner, query)
    gateway.contacts.acknowledge(owner, changes.receipts)
    return _response(changes, query)


def _response(changes: Changes, query: Query) -> web.Response:
    return body.json_response(
        {
            "messages": [objects_json.message(item) for item in changes.messages],
            "offset": offset_of(changes, query.offset),
            "more": changes.more,
        }
    )
