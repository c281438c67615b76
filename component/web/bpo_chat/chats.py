"""Chats: {bpo_chat}/chats/.

A chat with another user is the direct chat of both: there is one for each pair. A chat with
oneself is a new room, which others join by its uri while an invitation to a room is valid.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.numbered import NumberedConversation
from component.core.chat.service import Chat
from component.core.errors import Conflict, Forbidden, ItemNotFound, NotImplementedHere
from component.core.reading.views import ReadableMessage
from component.core.xml.jids import domain
from component.core.xml.times import format_time
from component.web import keys
from component.web.bpo_chat.answers import BpoChats, BpoJoined, PeerBody
from component.web.bpo_chat.requests import host, users_json
from component.web.chat.requests import chat_of
from component.web.drf import conversations
from component.web.drf.answers import ListParameters
from component.web.drf.authenticate import jid_of_name, name_of_jid
from component.web.drf.conversations import author_of
from component.web.drf.errors import ContractRefusal, not_found
from component.web.drf.fields import json_fields_of
from component.web.drf.pages import next_link, place_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import operation

CHATS = "/chats/"
CHAT = f"{CHATS}{{uri:[^/]+}}/"

_NO_USER = "There is no user with this name."


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    chats, chat = f"{prefix}{CHATS}", f"{prefix}{CHAT}"
    return [
        *slashed(web.get, chats, listed),
        *slashed(web.post, chats, create),
        *slashed(web.patch, chats, join_nothing),
        *slashed(web.get, chat, shown),
        *slashed(web.post, chat, create),
        *slashed(web.patch, chat, join),
    ]


@operation("bpo_chat.chats.list", query=ListParameters, answers={200: BpoChats})
async def listed(request: web.Request) -> web.Response:
    """GET {bpo_chat}/chats/: chats of the user by their ids, the newest hundred.

    `limit` and `offset`, counted from the newest one, ask for others.
    """
    user, chat = await chat_of(request)
    place = place_of(request)
    numbered = await chat.numbered.page(
        user, offset=place.offset, limit=place.limit, from_end=True
    )
    rows = await conversations.read_all(
        numbered.conversations, lambda item: _row(user, chat, item)
    )
    headers = next_link(request, place, numbered.count)
    return body.json_response({"message": rows}, headers=headers)


@operation("bpo_chat.chats.read", answers={200: BpoChats})
async def shown(request: web.Request) -> web.Response:
    """GET {bpo_chat}/chats/{uri}/: one chat, in the form of the list."""
    user, chat = await chat_of(request)
    named = await conversations.with_uri(user, chat, request.match_info["uri"])
    return body.json_response({"message": [await _row(user, chat, named)]})


@operation("bpo_chat.chats.create", body=PeerBody, answers={200: BpoJoined})
async def create(request: web.Request) -> web.Response:
    """POST {bpo_chat}/chats/ and {bpo_chat}/chats/{uri}/: a chat with a user; `uri` is ignored."""
    user, chat = await chat_of(request)
    fields = await json_fields_of(request)
    username = fields.text("username")
    fields.check()
    jid = jid_of_name(request, username, host(request))
    if jid == user.jid:
        named = await _new_room(user, chat, name_of_jid(user.jid, host(request)))
    elif jid is None or not await _exists(user, chat, jid):
        raise ContractRefusal({"username": [_NO_USER]}, 404)
    else:
        named = await conversations.direct(user, chat, jid)
    return await _joined(request, user, chat, named, with_uri=True)


@operation("bpo_chat.chats.join", body=PeerBody, is_body_required=False, answers={200: BpoJoined})
async def join(request: web.Request) -> web.Response:
    """PATCH {bpo_chat}/chats/{uri}/: join a room by its uri; for a member nothing changes."""
    user, chat = await chat_of(request)
    uri = request.match_info["uri"]
    try:
        named = await conversations.with_uri(user, chat, uri)
    except ContractRefusal:
        named = await _by_invitation(request, user, chat, uri)
    return await _joined(request, user, chat, named, with_uri=False)


@operation("bpo_chat.chats.join_nothing", answers={})
async def join_nothing(request: web.Request) -> web.Response:
    """PATCH {bpo_chat}/chats/: refused, because no chat is named."""
    await chat_of(request)
    raise ContractRefusal({"uri": ["This field is required."]})


async def _new_room(user: User, chat: Chat, name: str) -> NumberedConversation:
    """Make a room that others join by its uri."""
    if chat.rooms is None or chat.invitations is None:
        raise NotImplementedHere("There are no rooms here (sessions.enabled is false).")
    room = await chat.rooms.create(user, name, ())
    named = await chat.numbered.room(user, room.room)
    await chat.invitations.issue(user, room.room, token=named.identifier.uri)
    return named


async def _by_invitation(
    request: web.Request, user: User, chat: Chat, uri: str
) -> NumberedConversation:
    """Return a room that a user joins by its uri. Raises ContractRefusal."""
    if chat.invitations is None:
        raise not_found()
    try:
        members = await chat.invitations.join(user, uri)
    except (ItemNotFound, Forbidden):
        # A uri is what opens a room, so wrong ones are guesses.
        request.config_dict[keys.guess_limit].check(request[keys.party], None)
        raise not_found() from None
    except Conflict as error:
        raise ContractRefusal({"detail": error.message}, error.status) from None
    return await chat.numbered.room(user, members.room)


async def _exists(user: User, chat: Chat, jid: str) -> bool:
    """Return whether a user may chat with another one: of the own domain, or known already."""
    if domain(jid) != domain(user.jid):
        return (await chat.conversations.get(user, jid)).last is not None
    return await chat.directory.may_exist(jid)


async def _joined(
    request: web.Request, user: User, chat: Chat, named: NumberedConversation, *, with_uri: bool
) -> web.Response:
    """Return the answer to a new chat, or to joining one; only the first has `uri`."""
    jids = await _members(user, chat, named)
    users = await users_json(request, user, chat, {*jids, user.jid})
    uri = {"uri": named.identifier.uri} if with_uri else {}
    return body.json_response(
        {
            "status": "SUCCESS",
            "members": [users[jid] for jid in jids],
            "message": f"{name_of_jid(user.jid, host(request))} joined that chat",
            **uri,
            "user": users[user.jid],
        }
    )


async def _members(user: User, chat: Chat, named: NumberedConversation) -> list[str]:
    """Return the bare JIDs of the members of a chat, the owner first."""
    if named.is_room and chat.rooms is not None:
        members = await chat.rooms.get(user, named.jid)
        owners = members.with_affiliation("owner")
        return [*owners, *sorted(members.affiliations.keys() - {*owners})]
    owner = _owner(user, await chat.conversations.first(user, named.jid))
    return [owner, user.jid if owner == named.jid else named.jid]


async def _row(user: User, chat: Chat, named: NumberedConversation) -> dict[str, Any]:
    """Return a chat of a list, with the times of its first and its last message."""
    first = await chat.conversations.first(user, named.jid)
    last = await chat.conversations.last(user, named.jid)
    owner = _owner(user, first)
    if named.is_room and chat.rooms is not None:
        members = await chat.rooms.get(user, named.jid)
        owner = next(iter(members.with_affiliation("owner")), owner)
    created_at = named.created_at or (0 if first is None else first.message.stored.at)
    updated_at = created_at if last is None else last.message.stored.at
    return {
        "id": named.identifier.number,
        "create_date": format_time(created_at),
        "update_date": format_time(max(created_at, updated_at)),
        "owner_id": (await chat.identifiers.of_users([owner]))[owner].number,
        "uri": named.identifier.uri,
    }


def _owner(user: User, first: ReadableMessage | None) -> str:
    """Return who has begun a chat: the author of its first message, without one the user."""
    return (author_of(user, first) if first is not None else None) or user.jid
