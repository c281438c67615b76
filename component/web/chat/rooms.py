"""Rooms and their members: {prefix}/v1/chat/rooms."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.invitations import RoomInvitations
from component.core.chat.memberships import RoomMembers
from component.core.chat.rooms import ChatRooms
from component.core.errors import NotImplementedHere
from component.core.remote_data.posts import naming
from component.core.xml.jids import local
from component.core.xml.times import format_time
from component.web.archive.models import NoParameters
from component.web.chat.answers import ChatRoom, Invitation, RoomList
from component.web.chat.models import AffiliationFields, JoinFields, RenameFields, RoomFields
from component.web.chat.requests import chat_of, jid_of
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.parameters import checked
from component.web.server.paths import bare_jid, routes_at

_PATH = "/rooms"
_ONE = f"{_PATH}/{{jid:[^/]+}}"
_MEMBER = f"{_ONE}/members/{{member:[^/]+}}"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return [
        *routes_at(web.get, f"{prefix}{_PATH}", listed),
        *routes_at(web.post, f"{prefix}{_PATH}", create),
        *routes_at(web.post, f"{prefix}{_PATH}/join", join),
        *routes_at(web.get, f"{prefix}{_ONE}", shown),
        *routes_at(web.patch, f"{prefix}{_ONE}", rename),
        *routes_at(web.delete, f"{prefix}{_ONE}", destroy),
        *routes_at(web.put, f"{prefix}{_MEMBER}", set_affiliation),
        *routes_at(web.delete, f"{prefix}{_MEMBER}", remove),
        *routes_at(web.post, f"{prefix}{_ONE}/invitations", invite),
    ]


@operation("chat.rooms.list", answers={200: RoomList})
async def listed(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/rooms: the rooms of which the user is a member."""
    user, rooms, _ = await _rooms(request)
    memberships = [
        {"jid": row.room, "name": row.name or local(row.room), "affiliation": row.affiliation}
        for row in await rooms.memberships(user)
    ]
    return body.json_response({"rooms": memberships})


@operation("chat.rooms.create", body=RoomFields, answers={201: ChatRoom})
async def create(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/rooms: make a room, and invite others."""
    user, rooms, _ = await _rooms(request)
    fields = checked(RoomFields, await body.fields(request))
    with naming("members"):
        members = [bare_jid(request, member) for member in fields.members]
        room = await rooms.create(user, fields.name, members)
    return body.json_response(room_json(user, room), status=201)


@operation("chat.rooms.join", body=JoinFields, answers={200: ChatRoom})
async def join(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/rooms/join: become a member by an invitation."""
    user, _, invitations = await _rooms(request)
    fields = checked(JoinFields, await body.fields(request))
    return body.json_response(room_json(user, await invitations.join(user, fields.token)))


@operation("chat.rooms.read", answers={200: ChatRoom})
async def shown(request: web.Request) -> web.Response:
    """GET {prefix}/v1/chat/rooms/{jid}: a room and its members."""
    user, rooms, _ = await _rooms(request)
    return body.json_response(room_json(user, await rooms.get(user, jid_of(request))))


@operation("chat.rooms.rename", body=RenameFields, answers={200: ChatRoom})
async def rename(request: web.Request) -> web.Response:
    """PATCH {prefix}/v1/chat/rooms/{jid}: give a room another name."""
    user, rooms, _ = await _rooms(request)
    fields = checked(RenameFields, await body.fields(request))
    room = await rooms.rename(user, jid_of(request), fields.name)
    return body.json_response(room_json(user, room))


@operation("chat.rooms.destroy", answers={204: None})
async def destroy(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/chat/rooms/{jid}: destroy a room."""
    user, rooms, _ = await _rooms(request)
    await rooms.destroy(user, jid_of(request))
    return web.Response(status=204)


@operation("chat.rooms.set_affiliation", body=AffiliationFields, answers={200: ChatRoom})
async def set_affiliation(request: web.Request) -> web.Response:
    """PUT {prefix}/v1/chat/rooms/{jid}/members/{member}: add a member, or change its rights."""
    user, rooms, _ = await _rooms(request)
    fields = checked(AffiliationFields, await body.fields(request))
    room, member = jid_of(request), jid_of(request, "member")
    members = await rooms.set_affiliation(user, room, member, fields.affiliation)
    return body.json_response(room_json(user, members))


@operation("chat.rooms.remove_member", answers={204: None})
async def remove(request: web.Request) -> web.Response:
    """DELETE {prefix}/v1/chat/rooms/{jid}/members/{member}: remove a member, or leave."""
    user, rooms, _ = await _rooms(request)
    await rooms.remove(user, jid_of(request), jid_of(request, "member"))
    return web.Response(status=204)


@operation(
    "chat.rooms.invite", body=NoParameters, is_body_required=False, answers={201: Invitation}
)
async def invite(request: web.Request) -> web.Response:
    """POST {prefix}/v1/chat/rooms/{jid}/invitations: a token by which others become members."""
    user, _, invitations = await _rooms(request)
    if request.can_read_body:
        checked(NoParameters, await body.fields(request))
    invitation = await invitations.issue(user, jid_of(request))
    answer = {"token": invitation.token, "expires": format_time(invitation.expires_at)}
    return body.json_response(answer, status=201)


def room_json(user: User, room: RoomMembers) -> dict[str, Any]:
    """Return a room, as one of its members sees it."""
    return {
        "jid": room.room,
        "name": room.name,
        "affiliation": room.affiliations.get(user.jid),
        "members": [
            {"jid": jid, "affiliation": room.affiliations[jid]}
            for jid in sorted(room.affiliations)
        ],
    }


async def _rooms(request: web.Request) -> tuple[User, ChatRooms, RoomInvitations]:
    """Return the user who asks, and rooms. Raises NotImplementedHere where there are none."""
    checked(NoParameters, body.parameters(request))
    user, chat = await chat_of(request)
    if chat.rooms is None or chat.invitations is None:
        raise NotImplementedHere("There are no rooms here (sessions.enabled is false).")
    return user, chat.rooms, chat.invitations
