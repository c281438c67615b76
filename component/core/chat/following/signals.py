"""Signals: what followers of a user hear at once and nobody stores.

Chat states (XEP-0085) are shown for seconds, so neither the archive nor the journal has them. That
the rooms of a user have changed is only a hint to read them again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from component.core.sessions.commands import ChatStateOf
from component.core.sessions.outgoing import ChatState
from component.core.xml.jids import local

#: Seconds after which a chat state does not count any more.
EXPIRE_SECONDS = 10.0

#: Chat states of others that wait for one follower; the oldest are dropped first.
PENDING_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """The chat state of an author in a conversation."""

    conversation: str  #: bare JID of the contact or of the room
    author: str  #: bare JID; "": a room that hides it
    nick: str = ""  #: of the author in a room, if that is all that is known
    state: ChatState


class SignalFollower:
    """The signals that wait for one follower: of chat states the newest one of each author."""

    def __init__(self, owner: str, changed: asyncio.Event, clock: Callable[[], float]) -> None:
        self.owner = owner
        self.rooms: frozenset[str] = frozenset()  #: whose chat states it hears
        self.has_new_rooms = False  #: whether the user has become a member of a room, or ceased
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

    def note_rooms(self) -> None:
        """Note that the rooms of the user, or their names, have changed."""
        self.has_new_rooms = True
        self._changed.set()

    def take(self) -> list[Typing]:
        """Return the chat states that wait and have not expired, in their order."""
        oldest = self._clock() - EXPIRE_SECONDS
        pending, self._pending = self._pending, OrderedDict()
        return [typing for typing, at in pending.values() if at > oldest]


class Signals:
    """Passes signals on to the followers who are there."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._followers: defaultdict[str, set[SignalFollower]] = defaultdict(set)
        self._on_photo: list[Callable[[str, str], None]] = []
        self._on_erased: list[Callable[[str], None]] = []
        self._by_room: defaultdict[str, set[SignalFollower]] = defaultdict(set)

    @contextmanager
    def follow(self, owner: str, changed: asyncio.Event) -> Iterator[SignalFollower]:
        """Return a follower for as long as the block lasts; `changed` is set at each state."""
        follower = SignalFollower(owner, changed, self._clock)
        self._followers[owner].add(follower)
        try:
            yield follower
        finally:
            self.follow_rooms(follower, ())
            _discard(self._followers, owner, follower)

    def follow_rooms(self, follower: SignalFollower, rooms: Collection[str]) -> None:
        """Have a follower hear the chat states of the members of these rooms, and no others."""
        for room in follower.rooms.difference(rooms):
            _discard(self._by_room, room, follower)
        for room in frozenset(rooms) - follower.rooms:
            self._by_room[room].add(follower)
        follower.rooms = frozenset(rooms)

    def listen_photos(self, on_photo: Callable[[str, str], None]) -> None:
        """Call a function with each user who shows an image, and its SHA-1, "": none."""
        self._on_photo.append(on_photo)

    def note_photo(self, user: str, photo_hash: str) -> None:
        """Note which image a user, a bare JID, shows in a presence (XEP-0153)."""
        for on_photo in self._on_photo:
            on_photo(user, photo_hash)

    def listen_erased(self, on_erased: Callable[[str], None]) -> None:
        """Call a function with the owner of each erased archive: a user or a room."""
        self._on_erased.append(on_erased)

    def note_erased(self, owner: str) -> None:
        """Note that everything about a user or a room was erased."""
        for on_erased in self._on_erased:
            on_erased(owner)

    def note_room(self, jid: str) -> None:
        """Note that a room has changed, or the rooms of a user."""
        for followers in (self._by_room, self._followers):
            for follower in followers.get(jid, ()):
                follower.note_rooms()

    def note_rooms(self, users: Collection[str]) -> None:
        """Note that the rooms of these users, or the names of these rooms, have changed."""
        for user in users:
            self.note_room(user)

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

    def _put(self, followers: Collection[SignalFollower], typing: Typing) -> None:
        for follower in followers:
            follower.put(typing)


def _discard(
    followers: defaultdict[str, set[SignalFollower]], key: str, follower: SignalFollower
) -> None:
    followers[key].discard(follower)
    if not followers[key]:
        del followers[key]
