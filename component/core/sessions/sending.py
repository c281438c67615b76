"""Sending over HTTP: a message goes out as its user, once, and its answer is the archived message.

The client makes the id of a message. A message that is sent again with the same id is looked for
among those on their way, and then in the archive.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from component.core.access.principals import User
from component.core.errors import BadRequest, Conflict, ItemNotFound, Overloaded
from component.core.messages.references import ReferenceKind
from component.core.messages.replies import shortened
from component.core.messages.stored import Message
from component.core.reading.follow import ArchiveStream
from component.core.reading.pages import PageQuery
from component.core.reading.reader import ArchiveReader
from component.core.reading.views import ReadableMessage
from component.core.sessions.delivery import ClientSessions, Delivery, Undelivered
from component.core.sessions.outgoing import (
    ChatState,
    Correction,
    Displayed,
    Invitations,
    Outgoing,
    Payload,
    Reactions,
    ReplyTo,
    Retraction,
    Text,
    nick_of,
)
from component.core.xml.jids import bare
from component.core.xml.stanza import GROUPCHAT
from storage.rows import ArchivedMessage, Direction, Filter

#: Seconds until the server has to take a message, and until it is in the archive after that. Both
#: together are shorter than the time of a request.
TAKEN_SECONDS = 5.0
ARCHIVED_SECONDS = 3.0

#: Messages that are on their way at once, and outcomes that are kept.
SENDING_MAX = 1000
OUTCOMES_MAX = 1000

#: The newest messages of a conversation among which one with the same id is looked for.
REPEATED_AMONG = 250

_NO_ID = "this message has no id, so no other one can refer to it"

#: A stream yields after so many seconds without messages; nothing here waits as long.
_PAUSE_SECONDS = 60.0

#: How an archived message refers to another one, and the field of a request that says so.
_REFERENCES: dict[type[Payload], tuple[ReferenceKind, str]] = {
    Correction: (ReferenceKind.CORRECT, "replaces"),
    Retraction: (ReferenceKind.RETRACT, "retracts"),
    Reactions: (ReferenceKind.REACT, "reacts_to"),
    Displayed: (ReferenceKind.DISPLAYED, "displayed"),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome of sending a message."""

    item: ReadableMessage | None  #: as it is archived; None: it was sent, but is not archived
    is_new: bool  #: whether this request sent it


class Sender:
    """Sends messages of users."""

    def __init__(
        self,
        sessions: ClientSessions,
        reader: ArchiveReader,
        *,
        taken_seconds: float = TAKEN_SECONDS,
        archived_seconds: float = ARCHIVED_SECONDS,
    ) -> None:
        """`taken_seconds` is how long the server has to take a message.

        `archived_seconds` is how long the message then has to come into the archive.
        """
        self._sessions = sessions
        self._reader = reader
        self._taken_seconds = taken_seconds
        self._archived_seconds = archived_seconds
        self._sending: dict[tuple[str, str], asyncio.Task[Sent]] = {}
        self._messages: dict[tuple[str, str], Outgoing] = {}
        #: messages that were sent and are not archived, by owner and id
        self._unarchived: OrderedDict[tuple[str, str], Outgoing] = OrderedDict()
        #: refusals of messages by their recipients and others, by owner and id
        self._refused: OrderedDict[tuple[str, str], Undelivered] = OrderedDict()

    async def send(
        self,
        user: User,
        message: Outgoing,
        *,
        may_be_repeated: bool = True,
        refusal_seconds: float = 0.0,
        in_room: bool = False,
    ) -> Sent:
        """Send a message of a user. Its payload names another message by the archive id of that.

        `may_be_repeated` is whether the message may have been sent before: its id is not new. An
        archived message waits for a refusal for `refusal_seconds` more, within the time that it
        has for coming into the archive. If the caller is cancelled, the message is sent all the
        same. With `in_room` the ids and the answer are those of the archive of the room to which
        the message goes, and not those of the archive of the user.

        Raises Undelivered if it is refused, BadRequest, Conflict, ItemNotFound, NotAuthorized,
        Overloaded.
        """
        key = user.jid, message.id
        task = self._sending.get(key)
        if task is not None:
            _require_same(self._messages[key] == message)
            sent = await asyncio.shield(task)
            return replace(sent, is_new=False)
        if len(self._sending) >= SENDING_MAX:
            raise Overloaded("Too many messages are being sent: try again shortly.")
        owner = bare(message.to) if in_room else user.jid
        task = asyncio.create_task(
            self._send(user, owner, message, may_be_repeated, refusal_seconds)
        )
        self._sending[key], self._messages[key] = task, message
        task.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(task)

    def _done(self, key: tuple[str, str], task: asyncio.Task[Sent]) -> None:
        del self._sending[key]
        message = self._messages.pop(key)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Undelivered) and error.by:
            self._refused[key] = error
            if len(self._refused) > OUTCOMES_MAX:
                self._refused.popitem(last=False)
        if task.cancelled() or error is not None or task.result().item is not None:
            self._unarchived.pop(key, None)
            return
        self._unarchived[key] = message
        if len(self._unarchived) > OUTCOMES_MAX:
            self._unarchived.popitem(last=False)

    async def _send(
        self,
        user: User,
        owner: str,
        message: Outgoing,
        may_be_repeated: bool,
        refusal_seconds: float,
    ) -> Sent:
        """Send a message. `owner` is the one of the archive that is to have it."""
        earlier = await self._find(user, owner, message) if may_be_repeated else None
        if earlier is not None:
            _require_same(_is_same(earlier, message))
            refused = self._refused.get((user.jid, message.id))
            if refused is not None:
                # The archive of the sender has it all the same.
                raise refused.with_traceback(None)
            return Sent(ReadableMessage(earlier), is_new=False)
        unarchived = self._unarchived.get((user.jid, message.id))
        if unarchived is not None:
            _require_same(unarchived == message)
            return Sent(None, is_new=False)
        resolved = replace(message, payload=await self._resolved(user, owner, message))
        filter = Filter(peer=bare(message.to))
        stream = await self._reader.stream(user, owner, filter, after=None)
        with self._sessions.delivery(user.jid, resolved) as delivery:
            try:
                async with asyncio.timeout(self._taken_seconds):
                    await delivery.wait_taken()
            except TimeoutError as error:
                raise Overloaded(
                    "ejabberd did not take the message in time: send it again with the same id."
                ) from error
            if isinstance(message.payload, ChatState):
                return Sent(None, is_new=True)
            clock = asyncio.get_running_loop().time
            end = clock() + self._archived_seconds
            item = await self._archived(delivery, stream, user, resolved)
            if item is not None and refusal_seconds:
                await delivery.wait_refused(max(0.0, min(refusal_seconds, end - clock())))
            return Sent(item, is_new=True)

    async def _archived(
        self, delivery: Delivery, stream: ArchiveStream, user: User, message: Outgoing
    ) -> ReadableMessage | None:
        """Return a sent message once it is archived, None if it is not. Raises Undelivered."""
        watching = asyncio.create_task(_watch(stream, user, message))
        try:
            async with asyncio.timeout(self._archived_seconds):
                return await delivery.wait_for(watching)
        except TimeoutError:
            return None
        finally:
            watching.cancel()

    async def _find(self, user: User, owner: str, message: Outgoing) -> Message | None:
        """Return the message that the user sent with this id before."""
        query = PageQuery(
            filter=Filter(peer=bare(message.to)), limit=REPEATED_AMONG, backwards=True
        )
        page = await self._reader.page(user, owner, query)
        return _sent_among(page.messages, user, message)

    async def _resolved(self, user: User, owner: str, message: Outgoing) -> Payload:
        """Return the payload with the id by which XMPP names the other message."""
        payload = message.payload
        if isinstance(payload, Text) and payload.reply is not None:
            return replace(payload, reply=await self._answered(user, owner, message, payload))
        if isinstance(payload, Text | Invitations | ChatState):
            return payload
        kind, field = _REFERENCES[type(payload)]
        item = await self._referred(user, owner, message, payload.id, field)
        row, content = item.message.stored, item.message.content
        is_groupchat = message.type == GROUPCHAT
        is_own = row.direction is Direction.SENT or (
            # Without an author nobody but the room knows whose message it is.
            is_groupchat and row.author in ("", user.jid)
        )
        if kind in (ReferenceKind.CORRECT, ReferenceKind.RETRACT) and not is_own:
            raise BadRequest(f"{field}: this message is not yours")
        id = content.id if kind is ReferenceKind.CORRECT else _public_id(item.message)
        if not id:
            raise BadRequest(f"{field}: {_NO_ID}")
        if isinstance(payload, Correction) and (reply := content.reply) is not None:
            again = ReplyTo(reply.id, reply.to or "", reply.quote or "")
            return replace(payload, id=id, reply=again)
        return replace(payload, id=id)

    async def _answered(
        self, user: User, owner: str, message: Outgoing, text: Text
    ) -> ReplyTo | None:
        """Return the message that a text answers as XMPP names it."""
        if text.reply is None:
            return None
        field = "reply_to"
        item = await self._referred(user, owner, message, text.reply.id, field)
        id = _public_id(item.message)
        if not id:
            raise BadRequest(f"{field}: {_NO_ID}")
        sender = item.message.content.sender or ""
        quote = "" if item.folded is None else item.folded.body or ""
        # The text of a file is its address alone (XEP-0066).
        return ReplyTo(
            id,
            sender if message.type == GROUPCHAT else bare(sender),
            "" if text.file is not None else shortened(quote),
        )

    async def _referred(
        self, user: User, owner: str, message: Outgoing, id: str, field: str
    ) -> ReadableMessage:
        """Return the message of the same conversation that a message names in a field."""
        try:
            item = await self._reader.message(user, owner, id, folded=field == "reply_to")
        except ItemNotFound as error:
            raise ItemNotFound(f"{field}: {error.message}") from error
        row, is_groupchat = item.message.stored, message.type == GROUPCHAT
        if row.peer != bare(message.to) or (row.type == GROUPCHAT) != is_groupchat:
            raise BadRequest(f"{field}: this message is of another conversation")
        return item


def _public_id(message: Message) -> str | None:
    """Return the id by which everybody names a message: in a room that which the room gave it."""
    row, ids = message.stored, message.payloads.stanza_ids
    room_ids = [id for by, id in ids if by == row.peer and row.type == GROUPCHAT]
    return room_ids[-1] if room_ids else message.content.id


async def _watch(stream: ArchiveStream, user: User, message: Outgoing) -> ReadableMessage | None:
    """Return a message of a user as soon as it is archived, None if the archive is erased."""
    pages = stream.messages(pause=_PAUSE_SECONDS)
    async with aclosing(pages):
        async for rows in pages:
            archived = _sent_among(rows, user, message)
            if archived is not None:
                return ReadableMessage(archived)
    return None


def _sent_among(rows: Sequence[ArchivedMessage], user: User, message: Outgoing) -> Message | None:
    """Return the archived form of a message among some rows, None if it is not there."""
    for row in rows:
        # Most rows need no parsing: an id has no character that XML escapes.
        if message.id in row.xml and _is_sent(archived := Message(row), user, message):
            return archived
    return None


def _is_sent(archived: Message, user: User, message: Outgoing) -> bool:
    """Return whether an archived message has the id, the author and the type of a sent one."""
    row = archived.stored
    if archived.content.id != message.id or row.type != message.type:
        return False
    # A room sends a message to its author too, and that is what the archive has.
    is_own_occupant = row.type == GROUPCHAT and (
        row.author == user.jid or (not row.author and row.resource == nick_of(user.jid))
    )
    return row.direction is Direction.SENT or is_own_occupant


def _is_same(archived: Message, message: Outgoing) -> bool:
    """Return whether an archived message says the same as one that is sent, as far as it shows."""
    content, payloads, payload = archived.content, archived.payloads, message.payload
    if payloads.tombstone is not None or not archived.stored.xml:
        return True
    reference = payloads.reference
    expected = _REFERENCES.get(type(payload))
    if (reference and reference.kind) != (expected and expected[0]):
        return False
    if isinstance(payload, Text | Correction):
        is_same_file = not isinstance(payload, Text) or content.file == payload.file
        is_same_reply = isinstance(payload, Correction) or (
            (content.reply is None) == (payload.reply is None)
        )
        return content.body == payload.body and is_same_file and is_same_reply
    if isinstance(payload, Reactions):
        return reference is not None and reference.reactions == payload.reactions
    return True


def _require_same(is_same: bool) -> None:
    if not is_same:
        raise Conflict("id: another message of yours has this id: each message needs its own.")
