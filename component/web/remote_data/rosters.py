"""The Remote Data contract of rosters, {prefix}/roster: read a roster, change its contacts."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.errors import ItemNotFound, NotAuthorized
from component.core.remote_data.posts import CHAT, naming, owner_of
from component.core.rosters.contacts import is_asked
from component.core.xml import jids
from component.web import keys
from component.web.remote_data.answers import RemoteRoster
from component.web.remote_data.hosts import host_of, places
from component.web.remote_data.models import UserQuery
from component.web.remote_data.roster_models import RosterPost
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import routes_at
from storage.rows import Contact


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, each for the first virtual host and for a named one."""
    routes = []
    for place in places(prefix):
        roster = f"{place}/roster"
        routes += routes_at(web.get, roster, read)
        routes += routes_at(web.post, roster, change_subscription)
        routes += routes_at(web.patch, roster, change)
        routes += routes_at(web.put, roster, add)
        routes += routes_at(web.delete, f"{roster}/{{user}}", clear)
        # The JID of a contact may have a slash, so `remove` itself removes one at the end.
        routes.append(web.delete(f"{roster}/{{user}}/{{contact:.+}}", remove))
    return routes


@operation("remote_data.roster.read", query=UserQuery, answers={200: RemoteRoster})
async def read(request: web.Request) -> web.Response:
    """GET {prefix}/roster?username: the whole roster of a user."""
    host = host_of(request)
    query = checked(UserQuery, body.query(request))
    owner = _owner(request, query.owner, host)
    try:
        contacts = await request.app[keys.rosters].find(owner)
    except ItemNotFound as refused:
        raise NotAuthorized(f"username: {refused.message}") from refused
    details = request.app[keys.settings].roster_details
    # ejabberd refuses the whole roster if there is another key beside this one.
    return body.json_response(
        {"roster": [_item(contact, host, details=details) for contact in contacts]}
    )


@operation(
    "remote_data.roster.change_subscription",
    body=RosterPost,
    takes_forms=True,
    answers={201: None},
)
async def change_subscription(request: web.Request) -> web.Response:
    """POST {prefix}/roster: the state of a subscription has changed."""
    await _change(request)
    return web.Response(status=201)


@operation("remote_data.roster.change", body=RosterPost, takes_forms=True, answers={204: None})
async def change(request: web.Request) -> web.Response:
    """PATCH {prefix}/roster: a contact has changed."""
    await _change(request)
    return web.Response(status=204)


@operation("remote_data.roster.add", body=RosterPost, takes_forms=True, answers={200: None})
async def add(request: web.Request) -> web.Response:
    """PUT {prefix}/roster: there is a new contact."""
    await _change(request)
    return web.Response()


@operation("remote_data.roster.remove", answers={200: None})
async def remove(request: web.Request) -> web.Response:
    """DELETE {prefix}/roster/{user}/{contact}: remove a contact, if it is there."""
    host = host_of(request)
    owner = _owner(request, request.match_info["user"], host)
    with naming("contact"):
        contact = request.app[keys.jids].prepare(request.match_info["contact"].rstrip("/"))
    await request.app[keys.rosters].remove(owner, contact)
    return web.Response()


@operation("remote_data.roster.clear", answers={200: None})
async def clear(request: web.Request) -> web.Response:
    """DELETE {prefix}/roster/{user}: remove all contacts, because the account was removed."""
    host = host_of(request)
    owner = _owner(request, request.match_info["user"], host)
    await request.app[keys.rosters].clear(owner)
    return web.Response()


async def _change(request: web.Request) -> None:
    host = host_of(request)
    post = checked(RosterPost, await body.fields(request))
    owner = _owner(request, post.owner, host)
    await request.app[keys.rosters].change(owner, post.change(request.app[keys.jids]))


def _owner(request: web.Request, username: str, host: str) -> str:
    return owner_of(username, CHAT, host, request.app[keys.jids])


def _item(contact: Contact, host: str, *, details: bool) -> dict[str, Any]:
    """Return a contact with the keys that every caller accepts; with `details` all keys."""
    name, domain = jids.local(contact.jid), jids.domain(contact.jid)
    is_user_of_host = name and domain == host and not jids.resource(contact.jid)
    item: dict[str, Any] = {"username": name} if is_user_of_host else {"jid": contact.jid}
    item |= {"subscription": contact.subscription, "nick": contact.name}
    if details:
        ask = "subscribe" if is_asked(contact) else "none"
        item |= {"ask": ask, "groups": sorted(contact.groups)}
    return item
