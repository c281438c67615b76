"""What users do over XMPP besides sending: {prefix}/v1/archives/{owner}/presence and others."""

from __future__ import annotations

from aiohttp import web

from component.core.access.principals import User
from component.core.errors import BadRequest, Forbidden, ItemNotFound, NotImplementedHere
from component.core.sessions.actions import SessionActions
from component.core.sessions.outgoing import SubscriptionType
from component.core.xml.jids import local
from component.web import keys
from component.web.archive.answers import EnteredRooms
from component.web.archive.models import NoParameters
from component.web.archive.sending_models import PresenceFields
from component.web.auth import authenticate
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import ARCHIVE, bare_jid, named_owner, routes_at

_CONTACT = "{contact:[^/]+}"
_ROOM = "{room:[^/]+}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    base = f"{prefix}{ARCHIVE}"
    return [
        *routes_at(web.put, f"{base}/presence", set_presence),
        *routes_at(web.put, f"{base}/subscriptions/{_CONTACT}", subscribe),
        *routes_at(web.delete, f"{base}/subscriptions/{_CONTACT}", unsubscribe),
        *routes_at(web.put, f"{base}/requests/{_CONTACT}", approve),
        *routes_at(web.delete, f"{base}/requests/{_CONTACT}", deny),
        *routes_at(web.get, f"{base}/rooms", rooms, allow_head=False),
        *routes_at(web.put, f"{base}/rooms/{_ROOM}", enter),
        *routes_at(web.delete, f"{base}/rooms/{_ROOM}", leave),
    ]


@operation("archive.presence.set", body=PresenceFields, answers={204: None})
async def set_presence(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/archives/{owner}/presence: set the presence of the user."""
    user, actions = _allowed(request)
    fields = checked(PresenceFields, await body.fields(request))
    await actions.set_presence(user, fields.show, fields.status or "")
    return web.Response(status=204)


@operation("archive.subscriptions.subscribe", answers={204: None})
async def subscribe(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/archives/{owner}/subscriptions/{contact}: ask to see a contact."""
    return await _send_subscription(request, "subscribe")


@operation("archive.subscriptions.unsubscribe", answers={204: None})
async def unsubscribe(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/subscriptions/{contact}: no longer see a contact."""
    return await _send_subscription(request, "unsubscribe")


@operation("archive.requests.approve", answers={204: None})
async def approve(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/archives/{owner}/requests/{contact}: let a contact see the user."""
    return await _send_subscription(request, "subscribed")


@operation("archive.requests.deny", answers={204: None})
async def deny(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/requests/{contact}: hide the user from a contact."""
    return await _send_subscription(request, "unsubscribed")


@operation("archive.rooms.list", answers={200: EnteredRooms})
async def rooms(request: web.Request) -> web.Response:
    """GET {prefix}/v1/archives/{owner}/rooms: the rooms that the user is in."""
    user, actions = _allowed(request)
    return body.json_response({"owner": user.jid, "rooms": list(actions.rooms(user))})


@operation("archive.rooms.enter", answers={204: None})
async def enter(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/archives/{owner}/rooms/{room}: enter a room."""
    user, actions = _allowed(request)
    await actions.enter(user, _named(request, "room"))
    return web.Response(status=204)


@operation("archive.rooms.leave", answers={204: None})
async def leave(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/archives/{owner}/rooms/{room}: leave a room."""
    user, actions = _allowed(request)
    actions.leave(user, _named(request, "room"))
    return web.Response(status=204)


async def _send_subscription(request: web.Request, type: SubscriptionType) -> web.Response:
    user, actions = _allowed(request)
    await actions.send_subscription(user, _named(request, "contact"), type)
    return web.Response(status=204)


def _allowed(request: web.Request) -> tuple[User, SessionActions]:
    """Return the user who asks. Raises Forbidden for another one, NotImplementedHere."""
    owner = named_owner(request)
    checked(NoParameters, body.parameters(request))
    user = User(owner)
    if authenticate.principal(request) != user:
        raise Forbidden("You can act in your own name only.")
    actions = request.app.get(keys.session_actions)
    if actions is None:
        raise NotImplementedHere("There are no sessions here (sessions.enabled is false).")
    return user, actions


def _named(request: web.Request, name: str) -> str:
    """Return the bare JID in a part of the path. Raises ItemNotFound."""
    try:
        jid = bare_jid(request, request.match_info[name])
    except BadRequest as error:
        raise ItemNotFound(f"{name}: {error.message}") from error
    if name == "room" and not local(jid):
        raise ItemNotFound("room: expected a bare JID like room@domain")
    return jid
