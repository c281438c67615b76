"""Rooms, and sending: {condor_chat}/rooms/, send_message_to_user/ and send_message_to_room/.

A direct chat counts as a room here, with the user and one other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from component.core.access.principals import User
from component.core.chat.numbered import NumberedConversation
from component.core.chat.rooms import NAME_MAX, ChatRooms
from component.core.chat.service import Chat
from component.core.errors import NotImplementedHere
from component.web.chat.models import MEMBERS_MAX, one_line
from component.web.chat.requests import chat_of
from component.web.condor_chat.answers import (
    FormRoom,
    FormRoomsPage,
    NewRoomBody,
    RoomBody,
    ToRoomBody,
    ToUserBody,
)
from component.web.condor_chat.objects_json import room_json
from component.web.condor_chat.requests import may_see, number_in_path
from component.web.drf import conversations
from component.web.drf.answers import FormPageParameters, OlderParameters
from component.web.drf.conversations import REPEATABLE, older_link, send
from component.web.drf.errors import ContractRefusal, forbidden
from component.web.drf.fields import Fields, fields_of, number_of
from component.web.drf.pages import page, place_of
from component.web.drf.paths import slashed
from component.web.server import body
from component.web.server.operation import operation

_PATH = "/rooms/"
_ROOM = f"{_PATH}{{room_id:[0-9]+}}/"

_NO_PAYLOAD = "invalid payload to send messages"
_SAME = "the sender and the receiver can not be the same for new messages"
_NO_USER = "invalid user to chat with"
#: The contract has two blanks.
_NO_ROOM = "the room you are trying to reaching does not exists or you are not  part of it"


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    path, room = f"{prefix}{_PATH}", f"{prefix}{_ROOM}"
    return [
        *slashed(web.get, path, listed),
        *slashed(web.post, path, create),
        *slashed(web.get, room, shown),
        *slashed(web.put, room, change),
        *slashed(web.patch, room, change),
        *slashed(web.delete, room, remove),
        *slashed(web.post, f"{prefix}/send_message_to_user/", send_to_user),
        *slashed(web.post, f"{prefix}/send_message_to_room/", send_to_room),
    ]


@operation("condor_chat.rooms.list", query=FormPageParameters, answers={200: FormRoomsPage})
async def listed(request: web.Request) -> web.Response:
    """GET {condor_chat}/rooms/: a page of the direct chats and rooms of the user."""
    user, chat = await chat_of(request)
    place = place_of(request)
    numbered = await chat.numbered.page(user, offset=place.offset, limit=place.limit)

    async def read(room: NumberedConversation) -> dict[str, Any]:
        return (await room_json(request, user, chat, room, paged=False))[0]

    results = await conversations.read_all(numbered.conversations, read)
    return page(request, place, numbered.count, results)


@operation("condor_chat.rooms.create", body=NewRoomBody, takes_forms=True, answers={201: FormRoom})
async def create(request: web.Request) -> web.Response:
    """POST {condor_chat}/rooms/: make a room of the user and others."""
    user, chat = await chat_of(request)
    fields = await fields_of(request, lists=["participants"])
    title = _title(fields)
    members = await _participants(user, chat, fields)
    fields.check()
    room = await _rooms(chat).create(user, title, members)
    return await _answer(request, user, chat, await chat.numbered.room(user, room.room))


@operation("condor_chat.rooms.read", query=OlderParameters, answers={200: FormRoom})
async def shown(request: web.Request) -> web.Response:
    """GET {condor_chat}/rooms/{room_id}/: a room with its newest messages."""
    user, chat = await chat_of(request)
    room = await conversations.with_number(user, chat, number_in_path(request, "room_id"))
    return await _answer(request, user, chat, room, status=200)


@operation("condor_chat.rooms.change", body=RoomBody, takes_forms=True, answers={200: FormRoom})
async def change(request: web.Request) -> web.Response:
    """PUT and PATCH {condor_chat}/rooms/{room_id}/: change title and participants of a room."""
    user, chat = await chat_of(request)
    room = await conversations.with_number(user, chat, number_in_path(request, "room_id"))
    if not room.is_room:
        raise forbidden()
    fields = await fields_of(request, lists=["participants"])
    is_whole = request.method == "PUT"
    title = _title(fields) if is_whole or "title" in fields else ""
    has_members = is_whole or "participants" in fields
    members = await _participants(user, chat, fields) if has_members else []
    fields.check()
    rooms = _rooms(chat)
    affiliations = (await rooms.get(user, room.jid)).affiliations
    if affiliations[user.jid] == "member":
        raise forbidden()
    if title:
        await rooms.rename(user, room.jid, title)
    if has_members:
        for jid in sorted(set(members) - affiliations.keys()):
            await rooms.set_affiliation(user, room.jid, jid, "member")
        for jid in sorted(affiliations.keys() - {*members, user.jid}):
            await rooms.remove(user, room.jid, jid)
    named = await chat.numbered.room(user, room.jid)
    return await _answer(request, user, chat, named, status=200)


@operation("condor_chat.rooms.remove", answers={204: None})
async def remove(request: web.Request) -> web.Response:
    """DELETE {condor_chat}/rooms/{room_id}/: destroy a room; its owners may."""
    user, chat = await chat_of(request)
    room = await conversations.with_number(user, chat, number_in_path(request, "room_id"))
    if not room.is_room:
        raise forbidden()
    rooms = _rooms(chat)
    if (await rooms.get(user, room.jid)).affiliations[user.jid] != "owner":
        raise forbidden()
    await rooms.destroy(user, room.jid)
    return web.Response(status=204)


@operation(
    "condor_chat.rooms.send_to_user",
    body=ToUserBody,
    takes_forms=True,
    headers=REPEATABLE,
    answers={201: FormRoom},
)
async def send_to_user(request: web.Request) -> web.Response:
    """POST {condor_chat}/send_message_to_user/: send a message to a user."""
    user, chat = await chat_of(request)
    fields = await fields_of(request)
    text, number = _message(fields), number_of(fields.get("user_id"))
    if text is None or fields.get("user_id") in (None, ""):
        raise _error(_NO_PAYLOAD)
    jids = {} if number is None else await chat.identifiers.users([number])
    jid = jids.get(number or 0)
    if jid == user.jid:
        raise _error(_SAME)
    if jid is None or not await may_see(user, chat, jid):
        raise _error(_NO_USER)
    await send(request, user, chat, jid, text)
    return await _answer(request, user, chat, await conversations.direct(user, chat, jid))


@operation(
    "condor_chat.rooms.send_to_room",
    body=ToRoomBody,
    takes_forms=True,
    headers=REPEATABLE,
    answers={201: FormRoom},
)
async def send_to_room(request: web.Request) -> web.Response:
    """POST {condor_chat}/send_message_to_room/: send a message to a room of the user."""
    user, chat = await chat_of(request)
    fields = await fields_of(request)
    text, number = _message(fields), number_of(fields.get("group_id"))
    if text is None or fields.get("group_id") in (None, ""):
        raise _error(_NO_PAYLOAD)
    try:
        room = await conversations.with_number(user, chat, number)
    except ContractRefusal:
        raise _error(_NO_ROOM) from None
    if not room.is_room:
        raise _error(_NO_ROOM)
    await send(request, user, chat, room.jid, text)
    return await _answer(request, user, chat, room)


async def _answer(
    request: web.Request, user: User, chat: Chat, room: NumberedConversation, *, status: int = 201
) -> web.Response:
    fields, previous = await room_json(request, user, chat, room)
    headers = older_link(request, previous) if request.method == "GET" else {}
    return body.json_response(fields, status=status, headers=headers)


def _rooms(chat: Chat) -> ChatRooms:
    if chat.rooms is None:
        raise NotImplementedHere("There are no rooms here (sessions.enabled is false).")
    return chat.rooms


def _title(fields: Fields) -> str:
    title = fields.text("title", maximum=NAME_MAX)
    try:
        return one_line(title)
    except ValueError as error:
        fields.add_error("title", str(error))
        return ""


async def _participants(user: User, chat: Chat, fields: Fields) -> Sequence[str]:
    """Return the JIDs of the participants of a room, and note unknown ones."""
    numbers = fields.numbers("participants", maximum=MEMBERS_MAX)
    jids = await chat.identifiers.users(numbers)
    members, wrong = [], []
    for number in dict.fromkeys(numbers):
        jid = jids.get(number)
        if jid is None or not await may_see(user, chat, jid):
            wrong.append(f'Invalid pk "{number}" - object does not exist.')
        else:
            members.append(jid)
    if wrong:
        fields.add_error("participants", *wrong)
    return members


def _message(fields: Fields) -> str | None:
    """Return the text of a message, None if it is missing or empty."""
    text = fields.get("message")
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    return str(text) if str(text).strip() else None


def _error(sentence: str) -> ContractRefusal:
    return ContractRefusal({"error": sentence})
