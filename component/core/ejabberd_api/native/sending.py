"""send_message: says the truth about messages to rooms, and on demand about every message.

ejabberd accepts every message, and a room refuses those of users who are not in it, where the
caller does not see it. So a message to a room goes out as one of its occupants or subscribers, or
through a session of the user that enters the room, or it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from component.core.access.principals import User
from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.native.rooms import RoomCommands
from component.core.ejabberd_api.own.request import SignIn
from component.core.ejabberd_api.refusals import (
    NOT_PERMITTED_CODE,
    ApiRefusal,
    Unreachable,
    bad_argument,
    of_room,
)
from component.core.ejabberd_api.results import DONE
from component.core.errors import BadRequest, NotAuthorized, Overloaded, TooLarge
from component.core.sessions.delivery import Undelivered
from component.core.sessions.outgoing import BODY_MAX_BYTES, Outgoing, Text
from component.core.sessions.sending import Sender
from component.core.xml.jids import Jids, bare, domain, local, resource
from component.core.xml.stanza import GROUPCHAT

CHAT = "chat"

#: The role of occupants who have no voice in a moderated room (XEP-0045 section 5.1).
_MUTE = "visitor"

#: Characters that ejabberd escapes in texts, and by how many bytes they get longer.
_ESCAPED = {"&": 4, "<": 3, ">": 3, '"': 5, "'": 5}

NO_SESSION = (
    "Nobody can wait for this message: confirm and id are for messages of type chat and groupchat "
    "and need sessions (tokens.key_file, sessions.enabled)."
)

#: Seconds for which a confirmation of an archived message waits for a refusal: of a recipient on
#: the same host, and of others. They are fixed, so that the time of the answer does not tell
#: whether a recipient is online.
REFUSAL_SECONDS = 1.0
REMOTE_REFUSAL_SECONDS = 3.0


class Outcome(StrEnum):
    """The outcome of a message for which a caller waited; a refusal is an error instead."""

    ARCHIVED = "archived"  #: the archive of the sender has it
    REFLECTED = "reflected"  #: the room sent it to its sender too, whose archive has this copy
    #: ejabberd took it, and in time it came into no archive and nobody refused it
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What became of a message for which a caller waited."""

    outcome: Outcome
    by: str  #: the bare JID that has confirmed it: the room, or the owner of the archive
    message_id: str
    archive_id: str | None  #: in the archive of the sender, None if it is not there
    is_repeated: bool  #: whether an earlier call had sent it

    @property
    def fields(self) -> dict[str, object]:
        """The confirmation as a JSON object."""
        is_confirmed = self.outcome is not Outcome.UNCONFIRMED
        return {
            "outcome": self.outcome,
            "by": self.by if is_confirmed else None,
            "message_id": self.message_id,
            "archive_id": self.archive_id,
            "repeated": self.is_repeated,
        }


@dataclass(frozen=True, slots=True)
class _Way:
    """How a message goes out."""

    sender: str  #: the JID in whose name it goes out
    is_by_session: bool = False  #: through a session of the sender; else ejabberd sends it


class SendingCommands:
    """Runs send_message."""

    def __init__(
        self,
        backend: Backend,
        rooms: RoomCommands,
        jids: Jids,
        sender: Sender | None,
        sign_in: SignIn,
        *,
        text_max_bytes: int,
    ) -> None:
        """`sender` sends through sessions of users, None: there are none.

        `text_max_bytes` is the greatest size of the texts of a message as XML.
        """
        self._text_max_bytes = text_max_bytes
        self._backend = backend
        self._rooms = rooms
        self._jids = jids
        self._sender = sender
        self._sign_in = sign_in

    async def send(self, call: Call) -> Any:
        """Send a message; return a Confirmation if the caller waits for one.

        Raises ApiRefusal, Refused.
        """
        self._require_archivable(call)
        way = await self._way(call)
        if way.is_by_session:
            return await self._send_by_session(call)
        return await self._send(call, way.sender)

    async def forecast(self, call: Call) -> str:
        """Return how a message would go out. Raises ApiRefusal, Refused if it would be refused."""
        self._require_archivable(call)
        way = await self._way(call)
        if way.is_by_session:
            self._outgoing(call)
            if way.sender != call.caller.jid:
                await self._log_in(call, way.sender)
            return f"a session of {way.sender} that Muniment keeps"
        return f"ejabberd, as {way.sender}"

    def _require_archivable(self, call: Call) -> None:
        """Raise TooLarge for a text that no archive could have."""
        size = sum(escaped_size(call.text(name)) for name in ("subject", "body"))
        if size > self._text_max_bytes:
            raise TooLarge(
                f"subject and body: too long: together {size} bytes as XML, "
                f"{self._text_max_bytes} at most"
            )

    async def _way(self, call: Call) -> _Way:
        """Return how a message goes out. Raises ApiRefusal, Unreachable."""
        is_groupchat = call.text("type") == GROUPCHAT
        is_awaited = call.options.is_confirmed or call.options.message_id is not None
        if not is_groupchat and not is_awaited:
            return _Way(call.text("from"))
        address, sender = self._prepared(call, "to"), self._prepared(call, "from")
        if is_groupchat and (not local(address) or resource(address)):
            raise bad_argument("to: a message of type groupchat goes to the bare JID of a room")
        by_session = _Way(bare(sender), is_by_session=True)
        if is_awaited:
            return by_session
        try:
            return await self._way_to_room(call, address, sender)
        except Unreachable:
            # A session needs no mod_http_api.
            if self._has_session(call):
                return by_session
            raise

    async def _way_to_room(self, call: Call, address: str, sender: str) -> _Way:
        """Return how a message goes to a room, which refuses those of others than its occupants.

        Raises ApiRefusal, Unreachable.
        """
        room, service = local(address), domain(address)
        occupant = await self._rooms.occupant(room, service, sender)
        if occupant is not None and occupant["role"] == _MUTE:
            # A moderated room refuses what visitors say.
            occupant = None
        if occupant is not None:
            return _Way(occupant["jid"])
        if self._has_session(call):
            return _Way(bare(sender), is_by_session=True)
        subscribers = await self._backend.call("get_subscribers", name=room, service=service)
        if bare(sender) in subscribers:
            return _Way(bare(sender))
        raise ApiRefusal(
            403,
            f"{bare(sender)} is not in the room, which would refuse the message: the user has to "
            "enter or to subscribe to it first (join_room).",
            reason="not_in_room",
            code=NOT_PERMITTED_CODE,
            rule="room-occupancy",
        )

    async def _send(self, call: Call, sender: str) -> Any:
        arguments = {**call.arguments, "from": sender}
        return await self._backend.run(call.definition, arguments, call.signature)

    async def _send_by_session(self, call: Call) -> Any:
        """Send, and wait until the message is archived or refused. Raises ApiRefusal, Refused."""
        message, sender = self._outgoing(call), self._sender
        if sender is None:
            raise _no_session()
        user = User(bare(self._prepared(call, "from")))
        await self._log_in(call, user.jid)
        may_be_repeated = call.options.message_id is not None
        try:
            sent = await sender.send(
                user,
                message,
                may_be_repeated=may_be_repeated,
                refusal_seconds=self._refusal_seconds(call, message),
            )
        except Undelivered as failure:
            raise (of_room(failure) if message.room else failure) from None
        except Overloaded as error:
            if may_be_repeated:
                raise
            raise Overloaded(f"{error.message} Its id is {message.id}.") from error
        if not call.options.is_confirmed:
            return DONE
        outcome = Outcome.ARCHIVED if message.room is None else Outcome.REFLECTED
        return Confirmation(
            outcome=Outcome.UNCONFIRMED if sent.item is None else outcome,
            by=message.room or user.jid,
            message_id=message.id,
            archive_id=None if sent.item is None else sent.item.message.stored.id,
            is_repeated=not sent.is_new,
        )

    async def _log_in(self, call: Call, owner: str) -> None:
        """Let a session of the sender log in. Raises ApiRefusal, Refused."""
        password = call.password if owner == call.caller.jid else None
        try:
            await self._sign_in(owner, password)
        except NotAuthorized as error:
            raise ApiRefusal(
                409,
                f"{owner} is signed in nowhere, so Muniment cannot send as this user.",
                reason="no_session",
                code=0,
            ) from error

    def _refusal_seconds(self, call: Call, message: Outgoing) -> float:
        """Return how long a confirmation of an archived message waits for a refusal."""
        if not call.options.is_confirmed or message.room is not None:
            return 0.0
        is_same_host = domain(message.to) == domain(self._prepared(call, "from"))
        return REFUSAL_SECONDS if is_same_host else REMOTE_REFUSAL_SECONDS

    def _outgoing(self, call: Call) -> Outgoing:
        """Return the message as a session sends it. Raises ApiRefusal, TooLarge."""
        if self._sender is None:
            raise _no_session()
        if call.text("type") not in (CHAT, GROUPCHAT):
            raise bad_argument(NO_SESSION)
        if call.text("subject"):
            raise bad_argument(
                "subject: a message that is sent through a session has no subject; leave it empty"
            )
        if len(call.text("body").encode()) > BODY_MAX_BYTES:
            # ejabberd would end the session.
            raise TooLarge(f"body: too long: {BODY_MAX_BYTES} bytes of UTF-8 at most")
        if not call.text("body"):
            raise bad_argument("body: a message that is sent through a session needs a text")
        return Outgoing(
            id=call.options.message_id or str(uuid4()),
            to=self._prepared(call, "to"),
            type=call.text("type"),
            payload=Text(call.text("body")),
        )

    def _has_session(self, call: Call) -> bool:
        """Return whether the message can go out through a session of the caller."""
        is_own = bare(self._prepared(call, "from")) == call.caller.jid
        return self._sender is not None and is_own

    def _prepared(self, call: Call, name: str) -> str:
        try:
            return self._jids.prepare(call.text(name))
        except BadRequest as error:
            raise bad_argument(f"{name}: {error.message}") from error


def escaped_size(text: str) -> int:
    """Return the bytes of a text in XML, as ejabberd writes it."""
    size = len(text.encode())
    return size + sum(text.count(character) * more for character, more in _ESCAPED.items())


def _no_session() -> ApiRefusal:
    return ApiRefusal(409, NO_SESSION, reason="no_session", code=0)
