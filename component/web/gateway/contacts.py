"""Contacts: {gateway}/sessions/{session_id}/contacts."""

from __future__ import annotations

from aiohttp import web

from component.core.errors import BadRequest
from component.core.gateway.contacts import GatewayContact
from component.core.gateway.errors import ContactError, ParametersError
from component.web import keys
from component.web.gateway import objects_json
from component.web.gateway.answers import ChangedContacts, Contacts, Nothing, OneContact
from component.web.gateway.authenticate import session
from component.web.gateway.models import ContactBody, NewContactBody, ReadParameters, body_of
from component.web.gateway.reads import offset_of, parameters_of, query_of
from component.web.gateway.sessions import SESSION
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.paths import bare_jid, routes_at

CONTACTS = f"{SESSION}/contacts"

#: The path of a contact.
CONTACT = f"{CONTACTS}/{{contact_id}}"


def routes(prefix: str, *, changes_by_get: bool) -> list[web.RouteDef]:
    """Return the routes below a prefix; `changes_by_get` adds those that change by GET."""
    path = f"{prefix}{CONTACT}"
    by_get = [
        *routes_at(web.get, f"{path}/authorize", authorize, allow_head=False),
        *routes_at(web.get, f"{path}/delete", remove, allow_head=False),
    ]
    return [
        *routes_at(web.get, f"{prefix}{CONTACTS}", listed),
        *routes_at(web.post, f"{prefix}{CONTACTS}", add),
        *routes_at(web.get, path, read),
        *routes_at(web.put, path, change),
        *routes_at(web.delete, path, remove),
        *(by_get if changes_by_get else ()),
    ]


@operation("gateway.contacts.list", query=ReadParameters, answers={200: ChangedContacts})
async def listed(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}/contacts: the contacts that changed behind an offset."""
    query = query_of(request, parameters_of(request), contacts=True)
    changes = await request.app[keys.gateway].reader.read(session(request).jid, query)
    return body.json_response(
        {
            "contacts": [objects_json.contact(item) for item in changes.contacts],
            "offset": offset_of(changes, query.offset),
        }
    )


@operation("gateway.contacts.add", body=NewContactBody, answers={200: Contacts})
async def add(request: web.Request) -> web.Response:
    """POST {gateway}/sessions/{session_id}/contacts: add a contact, and ask for its presence."""
    fields = (await body_of(request, NewContactBody)).contact
    owner = session(request).jid
    try:
        jid = bare_jid(request, fields.jid)
    except BadRequest as error:
        raise ParametersError(f"jid: {error.message}") from error
    if jid == owner:
        raise ParametersError("jid: a user cannot be a contact of the same user")
    contact = await request.app[keys.gateway].contacts.add(owner, jid, fields.name)
    return _contacts(contact)


@operation("gateway.contacts.read", answers={200: OneContact})
async def read(request: web.Request) -> web.Response:
    """GET {gateway}/sessions/{session_id}/contacts/{contact_id}: one contact."""
    return body.json_response({"contact": objects_json.contact(await _contact_of(request))})


@operation("gateway.contacts.change", body=ContactBody, answers={200: Contacts})
async def change(request: web.Request) -> web.Response:
    """PUT {gateway}/sessions/{session_id}/contacts/{contact_id}: rename, authorize, or read."""
    fields = (await body_of(request, ContactBody)).contact
    contact = await _contact_of(request)
    owner, contacts = session(request).jid, request.app[keys.gateway].contacts
    if fields.name is not None:
        await contacts.rename(owner, contact.jid, fields.name)
    if fields.authorization is not None:
        is_granted = fields.authorization == "granted"
        await contacts.authorize(owner, contact, is_granted=is_granted)
    if fields.read_offset is not None:
        await contacts.read_up_to(owner, contact.jid, fields.read_offset)
    try:
        return _contacts(await _contact_of(request))
    except ContactError:
        # A request that was refused leaves no contact.
        return body.json_response({"contacts": []})


@operation("gateway.contacts.authorize", answers={200: Contacts})
async def authorize(request: web.Request) -> web.Response:
    """GET …/contacts/{contact_id}/authorize: let a contact see the presence of the user."""
    contact = await _contact_of(request)
    owner, contacts = session(request).jid, request.app[keys.gateway].contacts
    await contacts.authorize(owner, contact, is_granted=True)
    return _contacts(await _contact_of(request))


@operation("gateway.contacts.remove", answers={200: Nothing})
async def remove(request: web.Request) -> web.Response:
    """DELETE …/contacts/{contact_id}, or GET …/delete: remove a contact if it is there."""
    owner, contacts = session(request).jid, request.app[keys.gateway].contacts
    try:
        contact = await _contact_of(request)
    except ContactError:
        return body.json_response({})
    await contacts.remove(owner, contact)
    return body.json_response({})


async def _contact_of(request: web.Request) -> GatewayContact:
    """Return the contact in the path. Raises ContactError."""
    owner = session(request).jid
    id = request.match_info["contact_id"]
    return await request.app[keys.gateway].contacts.find(owner, id)


def _contacts(contact: GatewayContact) -> web.Response:
    return body.json_response({"contacts": [objects_json.contact(contact)]})
