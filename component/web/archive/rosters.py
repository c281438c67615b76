"""The roster of a user, for the user: {prefix}/v1/rosters/{owner}."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.errors import Forbidden
from component.core.rosters.contacts import is_asked
from component.web import keys
from component.web.archive.answers import Roster
from component.web.archive.models import NoParameters
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import named_owner, routes_at
from storage.rows import Contact

#: By default aiohttp takes no braces in a variable part, but a JID may have some.
ROSTER = "/rosters/{owner:[^/]+}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}{ROSTER}", roster)


@operation("archive.roster.read", answers={200: Roster})
async def roster(request: web.Request) -> web.Response:
    """GET {prefix}/v1/rosters/{owner}: the contacts of the user."""
    owner = named_owner(request)
    checked(NoParameters, body.parameters(request))
    if authenticate.principal(request) != User(owner):
        raise Forbidden("This roster is not yours.")
    contacts = await request.app[keys.rosters].find(owner)
    return body.json_response({"owner": owner, "contacts": [_fields(item) for item in contacts]})


def _fields(contact: Contact) -> dict[str, Any]:
    return {
        "jid": contact.jid,
        "name": contact.name,
        "subscription": contact.subscription,
        "asked": is_asked(contact),
        "groups": sorted(contact.groups),
    }
