"""Commands about rooms where users may do less than ejabberd's API allows.

A user sees rooms as in XMPP (XEP-0045): public ones that everybody may enter, those that the user
is in, and those of which the user is a member, an admin or the owner.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from component.core.access.rooms import RoomInfo
from component.core.ejabberd_api.arguments import Value
from component.core.ejabberd_api.callers.permissions import Decision
from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.definitions import ApiRole
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.refusals import INTERNAL, ApiRefusal, Unreachable, bad_argument
from component.core.ejabberd_api.results import DONE
from component.core.errors import BadRequest
from component.core.xml.jids import Jids, bare

#: The feature of a domain that has rooms (XEP-0045 section 6.1).
NS_MUC = "http://jabber.org/protocol/muc"

#: Seconds that an answer waits for a destroyed room to end, and between two looks at it.
ENDING_SECONDS = 2.0
_LOOK_SECONDS = 0.02

_TRUE = "true"

#: The text of ejabberd 24.12, which fails to write the options as JSON.
_NOT_WRITTEN = "400 Bad Request"

#: Options, and the features that stand for them (XEP-0045 section 15.3).
_FEATURES = {
    "anonymous": "muc_semianonymous",
    "members_only": "muc_membersonly",
    "moderated": "muc_moderated",
    "password_protected": "muc_passwordprotected",
    "persistent": "muc_persistent",
    "public": "muc_public",
}

_MEMBERS = ("owner", "admin", "member")

#: Options of a room that not everybody may enter.
_CLOSED = ("members_only", "password_protected")


class RoomCommands:
    """Runs commands about rooms on ejabberd."""

    def __init__(self, backend: Backend, jids: Jids, info: RoomInfo | None = None) -> None:
        """`info` asks rooms and their services themselves what ejabberd does not tell."""
        self._backend = backend
        self._jids = jids
        self._info = info

    async def online_rooms(self, call: Call) -> Any:
        """Return the rooms of a service; for users only those that are public."""
        if call.caller.role is not ApiRole.USER:
            return await self._backend.run(call.definition, call.arguments, call.signature)
        rows = await self._backend.call(
            "muc_online_rooms_by_regex", service=call.text("service"), regex=""
        )
        return sorted(row["jid"] for row in rows if row["public"] == _TRUE)

    async def options(self, call: Call) -> Any:
        """Return the options of a room, or of 24.12 those that the room tells everybody."""
        try:
            return await self._backend.run(call.definition, call.arguments, call.signature)
        except ApiRefusal as refusal:
            if refusal.message != _NOT_WRITTEN:
                raise
        return await self._told(call.text("room"), call.text("service"))

    async def create(self, call: Call) -> Any:
        """Create a room; a user becomes its owner."""
        result = await self._backend.run(call.definition, call.arguments, call.signature)
        if call.caller.role is not ApiRole.USER or result != DONE:
            return result
        room, service = call.text("room"), call.text("service")
        try:
            await self._backend.call(
                "set_room_affiliation",
                name=room,
                service=service,
                jid=call.caller.jid,
                affiliation="owner",
            )
        except (ApiRefusal, Unreachable) as error:
            await self._undo(room, service, error)
            raise
        return result

    async def _undo(self, room: str, service: str, reason: Exception) -> None:
        """Destroy a room that was created without its owner. Raises ApiRefusal if that fails."""
        try:
            await self._backend.call("destroy_room", name=room, service=service)
        except (ApiRefusal, Unreachable) as error:
            raise ApiRefusal(
                Unreachable.status,
                f"The room {room}@{service} was created, but it has no owner, because ejabberd "
                "does not answer any more. Have an admin destroy it (destroy_room).",
                reason="room_without_owner",
                code=0,
            ) from ExceptionGroup("create_room", [reason, error])

    async def destroy(self, call: Call) -> Any:
        """Destroy a room, and return when it has ended.

        ejabberd answers before: until then other commands about the room still find it, or crash.
        """
        result = await self._backend.run(call.definition, call.arguments, call.signature)
        if result == DONE:
            # The room is being destroyed even if it takes longer: the answer is true all the same.
            with suppress(TimeoutError, Unreachable):
                await self._wait_for_end(call.text("room"), call.text("service"))
        return result

    async def _wait_for_end(self, room: str, service: str) -> None:
        """Return when a room has ended. Raises TimeoutError, Unreachable."""
        async with asyncio.timeout(ENDING_SECONDS):
            while await self._exists(room, service):  # noqa: ASYNC110 - ejabberd tells nobody
                await asyncio.sleep(_LOOK_SECONDS)

    async def _exists(self, room: str, service: str) -> bool:
        """Return whether a room exists or is about to end. Raises Unreachable."""
        try:
            await self._backend.call("get_room_occupants", name=room, service=service)
        except ApiRefusal as refusal:
            return refusal.message == INTERNAL
        return True

    async def invite(self, call: Call) -> Any:
        """Invite users to a room; with nobody to invite, only make sure that it exists.

        ejabberd crashes for a text that is no JID, and releases before 24.12 without users.
        Raises ApiRefusal, Unreachable.
        """
        users = _invited(call.arguments["users"])
        for user in users:
            try:
                self._jids.prepare(user)
            except BadRequest as error:
                raise bad_argument(f"users: {error.message}") from error
        if users:
            return await self._backend.run(call.definition, call.arguments, call.signature)
        room, service = call.text("room"), call.text("service")
        await self._backend.call("get_room_occupants", name=room, service=service)
        return DONE

    async def decide_visibility(self, call: Call) -> Decision:
        """Decide whether a user may see the room of a call. Raises ApiRefusal, Unreachable."""
        room, service, jid = call.text("room"), call.text("service"), call.caller.jid
        is_visible = (
            await self._is_open(room, service)
            or await self._affiliation(room, service, jid) in _MEMBERS
            or await self.occupant(room, service, jid) is not None
        )
        return Decision(
            is_visible,
            "room-visibility",
            "Users see public rooms, those that they are in, and those of which they are members.",
        )

    async def decide_service(self, call: Call) -> Decision:
        """Decide whether the domain in a call has rooms (XEP-0045 section 6.1).

        ejabberd creates rooms on all of its domains, and sends invitations in their names: in that
        of bob@chat.example too, who is a user.
        """
        features = None
        if self._info is not None:
            features = await self._info.features(self._jids.prepare(call.text("service")))
        return Decision(
            features is not None and NS_MUC in features,
            "room-service",
            "Users create rooms on domains that say that they have rooms.",
        )

    async def occupant(self, room: str, service: str, jid: str) -> dict[str, str] | None:
        """Return an occupant with a full or bare JID, None if there is none.

        Raises ApiRefusal if there is no such room.
        """
        rows = await self._backend.call("get_room_occupants", name=room, service=service)
        matching = (row for row in rows if jid in (row["jid"], bare(row["jid"])))
        return next(matching, None)

    async def _is_open(self, room: str, service: str) -> bool:
        """Return whether everybody sees and may enter a room."""
        try:
            options = await self._backend.call("get_room_options", name=room, service=service)
        except ApiRefusal as refusal:
            if refusal.message != _NOT_WRITTEN:
                # There is no such room: the next question to ejabberd has the better text.
                return False
            options = await self._told(room, service)
        is_public = bool(options) and options.get("public") == _TRUE
        return is_public and not any(options.get(name) == _TRUE for name in _CLOSED)

    async def _told(self, room: str, service: str) -> dict[str, str]:
        """Return the options that follow from the features of a room, none if there is no room.

        Raises Unreachable.
        """
        if self._info is None:
            return {}
        address = f"{room}@{service}"
        self._info.forget(address)
        features = await self._info.features(address)
        if features is None:
            return await self._silent(room, service)
        return {option: str(feature in features).lower() for option, feature in _FEATURES.items()}

    async def _silent(self, room: str, service: str) -> dict[str, str]:
        """Return no options of a room that does not exist. Raises Unreachable for another one."""
        if not await self._exists(room, service):
            return {}
        raise Unreachable("ejabberd cannot write the options of rooms, and the room is silent.")

    async def _affiliation(self, room: str, service: str, jid: str) -> str:
        reply = await self._backend.call(
            "get_room_affiliation", name=room, service=service, jid=jid
        )
        return str(reply.get("affiliation") if isinstance(reply, dict) else reply)


def _invited(users: Value) -> list[str]:
    """Return the users of an invitation, which version 0 has in one text."""
    if isinstance(users, list):
        return users
    return str(users).split(":") if users else []
