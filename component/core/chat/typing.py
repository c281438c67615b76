"""Typing (XEP-0085): sends the chat states of users, and shows those of others for seconds.

Chat states never enter the archive or the journal. They reach only followers who are there.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from cachetools import TTLCache

from component.core.access.principals import User
from component.core.accounts.throttle import TokenBucket
from component.core.errors import Overloaded, RateLimited
from component.core.sessions.commands import ChatStateOf
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.outgoing import ChatState, Outgoing
from component.core.xml.jids import bare, local
from component.core.xml.stanza import GROUPCHAT

#: Seconds after which a chat state does not count any more.
EXPIRE_SECONDS = 10.0

#: Chat states that a user may send at once, and seconds after which one more is accepted.
BURST = 20
REFILL_SECONDS = 1.0

#: Seconds within which a repeated state is not sent again, and the states that are remembered.
REPEAT_SECONDS = 3.0
SENT_MAX = 10_000

#: Seconds that the server has to take a chat state.
TAKEN_SECONDS = 5.0

#: Chat states of others that wait for one follower; the oldest are dropped first.
PENDING_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """The chat state of an author in a conversation."""

    conversation: str  #: bare JID of the contact or of the room
    author: str  #: bare JID; "": a room that hides it
    nick: str = ""  #: of the author in a room, if that is all that is known
    state: ChatState


class TypingFollower:
    """The chat states that wait for one follower: the newest one of each author."""

    def __init__(self, owner: str, changed: asyncio.Event, clock: Callable[[], float]) -> None:
        self.owner = owner
        self.rooms: frozenset[str] = frozenset()  #: whose chat states it hears
        self._changed = changed
        self._clock = clock
        self._pending: OrderedDict[tuple[str, str, str], tuple[Typing, float]] = OrderedDict()

    def put(self, typing: Typing) -> None:
        """Add a chat state, in the place of the one before of its author."""
        key = typing.conversation, typing.author, typing.nick
        self._pending[key] = typing, self._clock()
        self._pending.move_to_end(key)
        if len(self._pending) > PENDING_MAX:
            self._pending.popitem(last=False)
        self._changed.set()

    def take(self) -> list[Typing]:
        """Return the chat states that wait and have not expired, in their order."""
        oldest = self._clock() - EXPIRE_SECONDS
        pending, self._pending = self._pending, OrderedDict()
        return [typing for typing, at in pending.values() if at > oldest]


class ChatStates:
    """Passes the chat states of others on to followers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._followers: defaultdict[str, set[TypingFollower]] = defaultdict(set)
        self._by_room: defaultdict[str, set[TypingFollower]] = defaultdict(set)

    @contextmanager
    def follow(self, owner: str, changed: asyncio.Event) -> Iterator[TypingFollower]:
        """Return a follower for as long as the block lasts; `changed` is set at each state."""
        follower = TypingFollower(owner, changed, self._clock)
        self._followers[owner].add(follower)
        try:
            yield follower
        finally:
            self.follow_rooms(follower, ())
            _discard(self._followers, owner, follower)

    def follow_rooms(self, follower: TypingFollower, rooms: Collection[str]) -> None:
        """Have a follower hear the chat states of the members of these rooms, and no others."""
        for room in follower.rooms.difference(rooms):
            _discard(self._by_room, room, follower)
        for room in frozenset(rooms) - follower.rooms:
            self._by_room[room].add(follower)
        follower.rooms = frozenset(rooms)

    def note_change(self, owner: str, change: ChatStateOf) -> None:
        """Note a chat state that the session of a user saw."""
        if change.nick:
            self.note_occupant(owner, change.jid, change.nick, change.state)
        else:
            self.note_contact(owner, change.jid, change.state)

    def note_contact(self, owner: str, sender: str, state: ChatState) -> None:
        """Note a chat state that a contact has sent to a user. Both are bare JIDs."""
        if sender != owner and owner in self._followers:
            typing = Typing(conversation=sender, author=sender, state=state)
            self._put(self._followers[owner], typing)

    def note_member(self, room: str, author: str, state: ChatState) -> None:
        """Note a chat state that a user has sent to a room; the author may be no member."""
        if room in self._by_room:
            typing = Typing(conversation=room, author=author, state=state)
            self._put({item for item in self._by_room[room] if item.owner != author}, typing)

    def note_occupant(self, owner: str, room: str, nick: str, state: ChatState) -> None:
        """Note a chat state of an occupant, of whom a user knows only the nickname.

        It counts for rooms alone whose chat states `note_member` does not get.
        """
        if nick != local(owner) and owner in self._followers:
            typing = Typing(conversation=room, author="", nick=nick, state=state)
            hearing = {item for item in self._followers[owner] if room not in item.rooms}
            self._put(hearing, typing)

    def _put(self, followers: Collection[TypingFollower], typing: Typing) -> None:
        for follower in followers:
            follower.put(typing)


def _discard(
    followers: defaultdict[str, set[TypingFollower]], key: str, follower: TypingFollower
) -> None:
    followers[key].discard(follower)
    if not followers[key]:
        del followers[key]


class TypingSender:
    """Sends the chat states of users through their sessions."""

    def __init__(
        self,
        sessions: ClientSessions,
        *,
        clock: Callable[[], float] = time.monotonic,
        taken_seconds: float = TAKEN_SECONDS,
    ) -> None:
        """`clock` returns seconds; `taken_seconds` is how long the server has to take a state."""
        self._sessions = sessions
        self._taken_seconds = taken_seconds
        self._limit = TokenBucket(BURST, REFILL_SECONDS, clock)
        #: the last state that a user has sent to a conversation
        self._sent: TTLCache[tuple[str, str], ChatState] = TTLCache(
            SENT_MAX, REPEAT_SECONDS, timer=clock
        )

    async def send(self, user: User, to: str, state: ChatState, *, is_room: bool) -> None:
        """Send a chat state to a user or a room, a bare JID; a repeated one is not sent again.

        Raises RateLimited, Undelivered if it is refused, NotAuthorized, Overloaded.
        """
        key = user.jid, bare(to)
        if self._sent.get(key) is state:
            return
        if not self._limit.take(user.jid):
            raise RateLimited(
                "You send too many chat states: send one when the user begins or pauses.",
                retry_seconds=self._limit.seconds(user.jid),
            )
        self._sent[key] = state
        type = GROUPCHAT if is_room else "chat"
        message = Outgoing(id=str(uuid4()), to=to, type=type, payload=state)
        with self._sessions.delivery(user.jid, message) as delivery:
            try:
                async with asyncio.timeout(self._taken_seconds):
                    await delivery.wait_taken()
            except TimeoutError as error:
                raise Overloaded("There was no answer in time: try again.") from error
