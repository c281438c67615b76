"""send_message: says the truth about messages to rooms, and on demand about every message.

ejabberd accepts every message, and a room refuses those of users who are not in it, where the
caller does not see it. So a message to a room goes out as one of its occupants or subscribers, or
through a session of the user that enters the room, or it is refused.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from component.core.access.principals import User
from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.native.rooms import RoomCommands
from component.core.ejabberd_api.own.request import SignIn
from component.core.ejabberd_api.refusals import NOT_PERMITTED_CODE, ApiRefusal, bad_argument
from component.core.ejabberd_api.results import DONE
from component.core.errors import BadRequest
from component.core.sessions.outgoing import Outgoing, Text
from component.core.sessions.sending import Sender
from component.core.xml.jids import Jids, bare, domain, local, resource
from component.core.xml.stanza import GROUPCHAT

CHAT = "chat"

#: The role of occupants who have no voice in a moderated room (XEP-0045 section 5.1).
_MUTE = "visitor"

NO_SESSION = (
    "Nobody can wait for this message: confirm and id are for messages of type chat and groupchat "
    "that users send for themselves, and need sessions (tokens.key_file, sessions.enabled)."
)


class SendingCommands:
    """Runs send_message."""

    def __init__(
        self,
        backend: Backend,
        rooms: RoomCommands,
        jids: Jids,
        sender: Sender | None,
        sign_in: SignIn,
    ) -> None:
        """`sender` sends through sessions of users, None: there are none."""
        self._backend = backend
        self._rooms = rooms
        self._jids = jids
        self._sender = sender
        self._sign_in = sign_in

    async def send(self, call: Call) -> Any:
        """Send a message. Raises ApiRefusal, Refused."""
        is_awaited = call.options.is_confirmed or call.options.message_id is not None
        if call.text("type") == GROUPCHAT:
            return await self._send_to_room(call, is_awaited=is_awaited)
        if is_awaited:
            return await self._send_by_session(call)
        return await self._send(call, call.text("from"))

    async def _send_to_room(self, call: Call, *, is_awaited: bool) -> Any:
        address, sender = self._prepared(call, "to"), self._prepared(call, "from")
        room, service = local(address), domain(address)
        if not room or resource(address):
            raise bad_argument("to: a message of type groupchat goes to the bare JID of a room")
        occupant = await self._rooms.occupant(room, service, sender)
        if occupant is not None and occupant["role"] == _MUTE:
            # A moderated room refuses what visitors say.
            occupant = None
        if is_awaited or (occupant is None and self._has_session(call)):
            return await self._send_by_session(call)
        if occupant is not None:
            return await self._send(call, occupant["jid"])
        subscribers = await self._backend.call("get_subscribers", name=room, service=service)
        if bare(sender) in subscribers:
            return await self._send(call, bare(sender))
        raise ApiRefusal(
            403,
            f"{bare(sender)} is not in the room, which would refuse the message: the user has to "
            "enter or to subscribe to it first (join_room).",
            reason="not_in_room",
            code=NOT_PERMITTED_CODE,
        )

    async def _send(self, call: Call, sender: str) -> Any:
        arguments = {**call.arguments, "from": sender}
        return await self._backend.run(call.definition, arguments, call.signature)

    async def _send_by_session(self, call: Call) -> int:
        """Send, and wait until the message is archived or refused. Raises ApiRefusal, Refused."""
        if self._sender is None or not self._has_session(call):
            raise ApiRefusal(409, NO_SESSION, reason="no_session", code=0)
        if call.text("type") not in (CHAT, GROUPCHAT):
            raise bad_argument(NO_SESSION)
        if call.text("subject"):
            raise bad_argument(
                "subject: a message that is sent through a session has no subject; leave it empty"
            )
        if not call.text("body"):
            raise bad_argument("body: a message that is sent through a session needs a text")
        await self._sign_in(call.caller.jid, call.password)
        message = Outgoing(
            id=call.options.message_id or str(uuid4()),
            to=self._prepared(call, "to"),
            type=call.text("type"),
            payload=Text(call.text("body")),
        )
        user = User(bare(self._prepared(call, "from")))
        await self._sender.send(user, message, may_be_repeated=call.options.message_id is not None)
        return DONE

    def _has_session(self, call: Call) -> bool:
        """Return whether the message can go out through a session of the caller."""
        is_own = bare(self._prepared(call, "from")) == call.caller.jid
        return self._sender is not None and is_own

    def _prepared(self, call: Call, name: str) -> str:
        try:
            return self._jids.prepare(call.text(name))
        except BadRequest as error:
            raise bad_argument(f"{name}: {error.message}") from error
