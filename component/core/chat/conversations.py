"""Conversations as people see them: direct chats and rooms together, the newest first.

A direct chat is in the archive of the user. A room is in its own archive, also for members who
were away, and a user sees it while being a member.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Any

from component.core.access.principals import User
from component.core.archiving.writer import Queue
from component.core.chat.directory import Directory
from component.core.chat.memberships import Memberships
from component.core.chat.read_marks import ReadMarks
from component.core.errors import BadRequest, ItemNotFound, NotImplementedHere
from component.core.hosts import Hosts
from component.core.reading.conversations import ConversationQuery, ConversationSummary
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.reader import ArchiveReader, ReadablePage
from component.core.reading.views import FOLDED_KINDS, ReadableMessage, Views
from component.core.sessions.outgoing import Outgoing, Payload
from component.core.sessions.sending import Sender, Sent
from component.core.store_errors import translated
from component.core.xml.jids import local
from component.core.xml.stanza import GROUPCHAT
from storage.interface import Storage
from storage.rows import Filter, Gap, Membership, Phrase, RoomConversation

#: Pages of the user's archive that one list of conversations reads, in which rooms are left out.
_PAGES_MAX = 4

#: The messages of direct chats.
_DIRECT = Filter(groupchat=False, kinds=FOLDED_KINDS)

#: How many characters a cursor may have.
CURSOR_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationView:
    """A conversation of a user."""

    jid: str  #: of the peer or the room
    is_room: bool
    name: str
    unread: int  #: messages of others with content behind the mark, at most 1000
    displayed: str | None  #: id of the last message that the user has read; None: of none
    last: ReadableMessage | None  #: folded; None: nothing was said yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationList:
    """Some conversations, the one with the newest message first."""

    conversations: tuple[ConversationView, ...]
    next: str | None  #: the cursor of the older ones, None: there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesQuery:
    """The messages of a conversation that a request selects; by default the newest ones.

    At most one of `before`, `after`, `around` and `at` is not None. The first three are ids.
    """

    before: str | None = None
    after: str | None = None
    around: str | None = None
    #: microseconds since the epoch: around the first message of this time or later
    at: int | None = None
    limit: int | None = None  #: None: the default size of a page
    phrases: tuple[Phrase, ...] | None = None  #: of a search


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesView:
    """Folded messages of a conversation, in the order of their arrival."""

    messages: tuple[ReadableMessage, ...]
    previous: str | None  #: the id before which older ones are, None: there are none
    next: str | None  #: the id behind which newer ones are, None: there are none
    gaps: tuple[Gap, ...] = ()  #: that the messages span, the oldest first

    @property
    def complete(self) -> bool:
        """Whether these are all messages that match."""
        return self.previous is None and self.next is None


@dataclass(frozen=True, slots=True)
class _Room:
    """A room of the user, with its place in the list."""

    membership: Membership
    conversation: RoomConversation | None
    at: int

    @property
    def place(self) -> tuple[int, str]:
        return self.at, self.membership.room


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The place of a list: of the last direct chat and of the last room on it."""

    direct: str | None = None  #: the id of its newest message; None: at the beginning
    is_direct_done: bool = False
    room: tuple[int, str] | None = None


class ChatConversations:
    """Reads conversations for users, and sends messages to them.

    Every method raises ItemNotFound for a room of which the user is not a member, Overloaded.
    """

    def __init__(
        self,
        reader: ArchiveReader,
        storage: Storage,
        queue: Queue,
        pager: Pager,
        hosts: Hosts,
        directory: Directory,
        sender: Sender | None,
        marks: ReadMarks,
        memberships: Memberships | None,
    ) -> None:
        """Without `sender` nobody sends; without `memberships` there are no rooms."""
        self._reader = reader
        self._archive = storage.archive
        self._views = Views(storage.archive)
        self._queue = queue
        self._pager = pager
        self._hosts = hosts
        self._directory = directory
        self._sender = sender
        self._marks = marks
        self._memberships = memberships

    async def page(
        self, user: User, before: str | None = None, limit: int | None = None
    ) -> ConversationList:
        """Return conversations, those before a cursor. Raises BadRequest for a wrong cursor."""
        cursor = _Cursor() if before is None else _parsed(before)
        size = max(1, self._pager.size(limit))
        direct, read_to = await self._direct(user, cursor, size)
        rooms = await self._rooms_before(user, cursor.room)
        chosen: list[ConversationSummary | _Room] = []
        while len(chosen) < size and (direct or rooms):
            is_direct = not rooms or (direct and _time(direct[0]) >= rooms[0].at)
            if not direct and read_to is not None:
                # There may be direct chats that are newer than the next room.
                break
            chosen.append(direct.pop(0) if is_direct else rooms.pop(0))
        for item in chosen:
            if isinstance(item, _Room):
                cursor = replace(cursor, room=item.place)
            else:
                cursor = replace(cursor, direct=item.conversation.newest)
        if not direct:
            cursor = replace(cursor, direct=read_to, is_direct_done=read_to is None)
        is_last = not direct and not rooms and read_to is None
        return ConversationList(
            conversations=await self._viewed(chosen), next=None if is_last else _text(cursor)
        )

    async def get(self, user: User, jid: str) -> ConversationView:
        """Return one conversation; a direct chat without messages is an empty one."""
        await self.check(user, jid)
        if self._hosts.is_room(jid):
            rooms = await self._rooms_before(user, None, only=jid)
            return (await self._viewed(rooms))[0]
        query = ConversationQuery(limit=1, folded=True)
        page = await self._reader.conversations(user, user.jid, replace(query, peer=jid))
        if page.conversations:
            return (await self._viewed([page.conversations[0]]))[0]
        names = await self._directory.names((jid,))
        return ConversationView(
            jid=jid, is_room=False, name=names[jid], unread=0, displayed=None, last=None
        )

    async def check(self, user: User, jid: str) -> None:
        """Raise ItemNotFound if a conversation is a room of which the user is not a member."""
        if self._hosts.is_room(jid):
            if self._memberships is None:
                raise NotImplementedHere("There are no rooms here (sessions.enabled is false).")
            await self._memberships.of(user, jid)

    async def messages(self, user: User, jid: str, query: MessagesQuery) -> MessagesView:
        """Return messages of a conversation.

        Raises ItemNotFound for an id that is not in it, BadRequest, NotImplementedHere,
        TakesTooLong.
        """
        await self.check(user, jid)
        around = query.around
        if query.at is not None:
            around = await self._first_since(user, jid, query, query.at)
        if around is not None:
            return await self._around(user, jid, query, around)
        backwards = query.after is None
        page = PageQuery(
            filter=self._filter(jid, query.phrases),
            limit=query.limit,
            before=query.before,
            after=query.after,
            backwards=backwards,
        )
        read = await self._reader.readable_page(user, self._owner(user, jid), page, folded=True)
        items = read.items[::-1] if backwards else read.items
        first, last = _edges(items)
        has_older = query.after is not None or not read.complete
        has_newer = query.before is not None or (query.after is not None and not read.complete)
        return MessagesView(
            messages=items,
            previous=(first or query.after) if has_older else None,
            next=(last or query.before) if has_newer else None,
            gaps=read.gaps,
        )

    async def _first_since(
        self, user: User, jid: str, query: MessagesQuery, at: int
    ) -> str | None:
        """Return the id of the first message of a time or later, None if there is none."""
        since = replace(self._filter(jid, query.phrases), since=at)
        page = PageQuery(filter=since, limit=1)
        read = await self._reader.readable_page(user, self._owner(user, jid), page, folded=True)
        return read.items[0].message.stored.id if read.items else None

    async def message(self, user: User, jid: str, id: str) -> ReadableMessage:
        """Return one message of a conversation, folded. Raises ItemNotFound."""
        await self.check(user, jid)
        return await self._message(user, jid, id)

    async def first(self, user: User, jid: str) -> ReadableMessage | None:
        """Return the oldest message of a conversation, None: there is none."""
        return await self._edge(user, jid, backwards=False)

    async def last(self, user: User, jid: str) -> ReadableMessage | None:
        """Return the newest message of a conversation, None: there is none."""
        return await self._edge(user, jid, backwards=True)

    async def _edge(self, user: User, jid: str, *, backwards: bool) -> ReadableMessage | None:
        await self.check(user, jid)
        page = PageQuery(filter=self._filter(jid), limit=1, backwards=backwards)
        read = await self._reader.readable_page(user, self._owner(user, jid), page, folded=True)
        return read.items[0] if read.items else None

    async def direct_messages(self, user: User, *, skipped: int, limit: int) -> ReadablePage:
        """Return messages of all direct chats, the oldest first, and how many there are."""
        page = PageQuery(filter=_DIRECT, limit=limit, index=skipped, counted=True)
        return await self._reader.readable_page(user, user.jid, page, folded=True)

    async def direct_message(self, user: User, id: str) -> ReadableMessage:
        """Return one message of a direct chat. Raises ItemNotFound."""
        page = PageQuery(filter=replace(_DIRECT, ids=(id,)), limit=1)
        read = await self._reader.readable_page(user, user.jid, page, folded=True)
        if not read.items:
            raise ItemNotFound("No message of a direct chat of yours has this id.")
        return read.items[0]

    async def send(
        self, user: User, jid: str, id: str, payload: Payload, *, may_be_repeated: bool
    ) -> Sent:
        """Send a message of a user, once. Its payload names another message by its id here.

        Raises Undelivered if it is refused, Conflict, BadRequest, NotImplementedHere if nobody can
        send, NotAuthorized.
        """
        if self._sender is None:
            raise NotImplementedHere("Nobody can send here (sessions.enabled is false).")
        await self.check(user, jid)
        is_room = self._hosts.is_room(jid)
        type = GROUPCHAT if is_room else "chat"
        message = Outgoing(id=id, to=jid, type=type, payload=payload)
        return await self._sender.send(
            user, message, may_be_repeated=may_be_repeated, in_room=is_room
        )

    async def mark(self, user: User, jid: str, id: str) -> bool:
        """Note that a user has read a conversation up to a message; return whether it moved.

        Raises ItemNotFound for an id that is not in the conversation.
        """
        await self.check(user, jid)
        return await self._marks.move(user, jid, id)

    def _owner(self, user: User, jid: str) -> str:
        """Return the owner of the archive that has a conversation."""
        return jid if self._hosts.is_room(jid) else user.jid

    def _filter(self, jid: str, phrases: tuple[Phrase, ...] | None = None) -> Filter:
        return Filter(
            peer=jid, groupchat=self._hosts.is_room(jid), kinds=FOLDED_KINDS, phrases=phrases
        )

    async def _message(self, user: User, jid: str, id: str) -> ReadableMessage:
        page = PageQuery(filter=replace(self._filter(jid), ids=(id,)), limit=1)
        read = await self._reader.readable_page(user, self._owner(user, jid), page, folded=True)
        if not read.items:
            raise ItemNotFound("No message of this conversation has this id.")
        return read.items[0]

    async def _around(self, user: User, jid: str, query: MessagesQuery, id: str) -> MessagesView:
        """Return a message with the same number of messages before and behind it."""
        limit = max(2, self._pager.size(query.limit) - 1)
        middle = await self._message(user, jid, id)
        older = await self.messages(
            user, jid, MessagesQuery(before=id, limit=limit // 2, phrases=query.phrases)
        )
        newer = await self.messages(
            user, jid, MessagesQuery(after=id, limit=limit - limit // 2, phrases=query.phrases)
        )
        return MessagesView(
            messages=(*older.messages, middle, *newer.messages),
            previous=older.previous,
            next=newer.next,
            # A gap that the time of the message is in belongs to both.
            gaps=tuple(dict.fromkeys((*older.gaps, *newer.gaps))),
        )

    async def _direct(
        self, user: User, cursor: _Cursor, size: int
    ) -> tuple[list[ConversationSummary], str | None]:
        """Return the next direct chats, and the id before which there are more; None: no more."""
        direct: list[ConversationSummary] = []
        before = cursor.direct
        if cursor.is_direct_done:
            return direct, None
        for _ in range(_PAGES_MAX):
            query = ConversationQuery(limit=size, before=before, folded=True)
            page = await self._reader.conversations(user, user.jid, query)
            direct += [item for item in page.conversations if self._is_direct(item)]
            before = None if page.complete else page.conversations[-1].conversation.newest
            if before is None or len(direct) >= size:
                break
        return direct, before

    def _is_direct(self, item: ConversationSummary) -> bool:
        conversation = item.conversation
        is_room = self._hosts.is_room(conversation.peer) or conversation.last.type == GROUPCHAT
        return not is_room and local(conversation.peer) != ""

    async def _rooms_before(
        self, user: User, place: tuple[int, str] | None, only: str | None = None
    ) -> list[_Room]:
        """Return the rooms of a user, the one with the newest message first."""
        if self._memberships is None:
            return []
        memberships = {
            row.room: row
            for row in await self._memberships.of_user(user)
            if only is None or row.room == only
        }
        for room in memberships:
            await self._queue.wait_readable(room)
        with translated():
            rows = await self._archive.room_conversations(user.jid, list(memberships))
        conversations = {row.room: row for row in rows}
        rooms = [_room(row, conversations.get(row.room)) for row in memberships.values()]
        rooms.sort(key=lambda room: room.place, reverse=True)
        return [room for room in rooms if place is None or room.place < place]

    async def _viewed(
        self, items: list[ConversationSummary | _Room] | list[_Room] | list[ConversationSummary]
    ) -> tuple[ConversationView, ...]:
        peers = [item.conversation.peer for item in items if isinstance(item, ConversationSummary)]
        names = await self._directory.names(tuple(peers))
        return tuple(
            [
                await self._viewed_room(item)
                if isinstance(item, _Room)
                else ConversationView(
                    jid=item.conversation.peer,
                    is_room=False,
                    name=names[item.conversation.peer],
                    unread=item.unread,
                    displayed=item.conversation.displayed,
                    last=item.last,
                )
                for item in items
            ]
        )

    async def _viewed_room(self, room: _Room) -> ConversationView:
        conversation, jid = room.conversation, room.membership.room
        last: ReadableMessage | None = None
        if conversation is not None and conversation.last is not None:
            [last] = await self._views.of(jid, [conversation.last], folded=True)
        return ConversationView(
            jid=jid,
            is_room=True,
            name=room.membership.name or local(jid),
            unread=0 if conversation is None else conversation.unread,
            displayed=None if conversation is None else conversation.displayed,
            last=last,
        )


def _room(membership: Membership, conversation: RoomConversation | None) -> _Room:
    last = None if conversation is None else conversation.last
    return _Room(membership, conversation, membership.created_at if last is None else last.at)


def _time(item: ConversationSummary) -> int:
    return item.conversation.last.at


def _edges(items: tuple[ReadableMessage, ...]) -> tuple[str | None, str | None]:
    """Return the ids of the first and the last message, None if there is none."""
    if not items:
        return None, None
    return items[0].message.stored.id, items[-1].message.stored.id


def _text(cursor: _Cursor) -> str:
    values = [cursor.direct, cursor.is_direct_done, cursor.room]
    packed = json.dumps(values, separators=(",", ":")).encode()
    return urlsafe_b64encode(packed).decode().rstrip("=")


def _parsed(text: str) -> _Cursor:
    """Return the cursor of a text. Raises BadRequest."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        values: Any = json.loads(urlsafe_b64decode(padded))
        direct, is_direct_done, room = values
        is_right = isinstance(direct, str | None) and isinstance(is_direct_done, bool)
        place = None if room is None else (int(room[0]), str(room[1]))
    except (ValueError, TypeError, LookupError, OverflowError, binascii.Error) as error:
        raise BadRequest(_WRONG_CURSOR) from error
    if not is_right:
        raise BadRequest(_WRONG_CURSOR)
    return _Cursor(direct, is_direct_done, place)


_WRONG_CURSOR = "before: this is no cursor of a list of conversations"
