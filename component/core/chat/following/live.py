"""Live chat: the events of an account, of the rooms of its user, and signals, on one place.

The journal of the account has everything but the messages of rooms. Those come from the archive of
each room of which the user is a member, also if the user is not in the room; the copies of them in
the user's own archive are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from component.core.archiving.writer import Queue
from component.core.chat.following.place import ROOMS_MAX, Place, digest
from component.core.chat.following.signals import SignalFollower, Signals, Typing
from component.core.errors import CursorExpired, ItemNotFound
from component.core.events.reader import EventReader, ReadableEvent, ReadableEvents
from component.core.events.values import fields_of
from component.core.reading.follow import Follower, Followers, within
from component.core.reading.pages import Pager
from component.core.reading.views import Views
from component.core.store_errors import translated
from storage.interface import Storage
from storage.rows import EntryKind, EventPage

#: Seconds after which the rooms of a follower are read again, in case that no signal came.
ROOMS_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRoom:
    """A room, as one of its members sees it."""

    jid: str
    name: str
    affiliation: str


class MemberRooms(Protocol):
    """Knows of which rooms users are members."""

    async def member_rooms(self, user: str) -> Sequence[MemberRoom]:
        """Return the rooms of which a user is a member, in the order of their JIDs.

        Only those with an archive here. Raises Overloaded.
        """
        ...

    async def lost_rooms(self, user: str) -> Mapping[str, int]:
        """Return rooms that have removed a user, with the time in microseconds if it is known.

        Raises Overloaded.
        """
        ...

    async def is_member(self, user: str, room: str) -> bool:
        """Return whether a user counts as a member of a room. Raises Overloaded."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """One event; exactly one of `event`, `rooms`, `expired` and `typing` is not None."""

    place: Place  #: behind the event; a signal has that of the event before
    room: str | None = None  #: the room whose archive has the message of `event`
    event: ReadableEvent | None = None
    rooms: tuple[MemberRoom, ...] | None = None  #: all rooms of the user, as they are now
    expired: str | None = None  #: a room of which earlier events are not known any more
    typing: Typing | None = None

    @property
    def conversation(self) -> str | None:
        """The bare JID of the conversation that the event touches, None: it touches none."""
        if self.event is None:
            return None
        return self.room or conversation_of(self.event)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePage:
    """The oldest events behind a place."""

    events: tuple[LiveEvent, ...]
    place: Place  #: behind the page
    complete: bool


class _Signal(asyncio.Event):
    """An event that sets another one too."""

    def __init__(self, other: asyncio.Event) -> None:
        super().__init__()
        self._other = other

    def set(self) -> None:
        """Set both events."""
        super().set()
        self._other.set()


class LiveReader:
    """Reads live events for users; each user reads the own ones.

    Every method raises Overloaded, and CursorExpired for a place that is not known any more.
    """

    def __init__(
        self,
        events: EventReader,
        storage: Storage,
        queue: Queue,
        pager: Pager,
        followers: Followers,
        signals: Signals,
        rooms: MemberRooms,
        *,
        rooms_seconds: float = ROOMS_SECONDS,
    ) -> None:
        self._events = events
        self._store = storage.events
        self._views = Views(storage.archive)
        self._queue = queue
        self._pager = pager
        self._followers = followers
        self._signals = signals
        self._rooms = rooms
        self._rooms_seconds = rooms_seconds

    async def begin(self, owner: str) -> Place:
        """Return the place behind the last event."""
        _, cursor = await self._events.begin(owner)
        with self._follow(owner, Place(cursor)) as following:
            return (await self._read(following, limit=None)).place

    async def page(self, owner: str, after: Place, limit: int | None = None) -> LivePage:
        """Return the oldest events behind a place."""
        with self._follow(owner, after) as following:
            return await self._read(following, limit)

    async def wait(
        self, owner: str, after: Place, limit: int | None = None, *, seconds: float
    ) -> LivePage:
        """Return a page as `page` does, but wait up to some seconds for an event or a signal."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with self._follow(owner, after) as following:
            while True:
                following.changed.clear()
                page = await self._read(following, limit)
                if page.events or not page.complete:
                    return page
                if not await within(deadline - loop.time(), following.changed):
                    return page

    async def pages(
        self, owner: str, after: Place, *, pause: float
    ) -> AsyncGenerator[LivePage, None]:
        """Yield the pages behind a place, without end, and an empty one after each `pause`."""
        with self._follow(owner, after) as following:
            while True:
                following.changed.clear()
                page = await self._read(following, None)
                if page.events:
                    yield page
                if page.complete and not await within(pause, following.changed):
                    # The journal is brought up to date from time to time.
                    following.journal.changed.set()
                    yield replace(page, events=())

    async def lost_rooms(self, owner: str) -> Mapping[str, int]:
        """Return rooms that have removed a user, with the time in microseconds if it is known."""
        return await self._rooms.lost_rooms(owner)

    @contextmanager
    def _follow(self, owner: str, after: Place) -> Iterator[_Following]:
        changed = asyncio.Event()
        with ExitStack() as stack:
            journal = stack.enter_context(
                self._followers.follow(owner, hears_events=True, changed=_Signal(changed))
            )
            signals = stack.enter_context(self._signals.follow(owner, changed))
            following = _Following(
                owner, after, changed, journal, signals, self._signals, self._followers
            )
            stack.callback(following.close)
            yield following

    async def _read(self, following: _Following, limit: int | None) -> LivePage:
        """Return the next events, and move the place of a follower behind them."""
        events: list[LiveEvent] = []
        size = max(1, self._pager.size(limit))
        page = await self._read_journal(following, size)
        # After it: the list has each room of which the page has messages, and comes before them.
        complete = page is None or page.complete
        if following.needs_rooms(self._rooms_seconds):
            complete &= await self._read_rooms(following, events, size)
        if page is not None:
            events += self._take_journal(following, page)
        for room in following.changed_rooms():
            if len(events) >= size:
                complete = False
                break
            complete &= await self._read_room(following, room, events, size)
        members = {room.jid for room in following.rooms}
        for typing in following.signals.take():
            if await self._may_hear(typing, members):
                events.append(LiveEvent(place=following.place, typing=typing))
        return LivePage(events=tuple(events), place=following.place, complete=complete)

    async def _may_hear(self, typing: Typing, rooms: Collection[str]) -> bool:
        """Return whether the author of a chat state in a room of ours is a member of it."""
        if typing.conversation not in rooms or not typing.author:
            return True
        return await self._rooms.is_member(typing.author, typing.conversation)

    async def _read_rooms(self, following: _Following, events: list[LiveEvent], size: int) -> bool:
        """Read the rooms of a user; add an event if they differ from those of the place.

        Before it come the messages of rooms that have removed the user, from before the removal.
        Return whether these are all.
        """
        rooms = tuple(await self._rooms.member_rooms(following.owner))
        followed = rooms[:ROOMS_MAX]
        jids = {room.jid for room in rooms}
        if following.place.has_others(jids):
            for lost, lost_at in (await self.lost_rooms(following.owner)).items():
                is_left = lost not in jids and following.place.in_room(lost) is not None
                if is_left and not await self._read_lost_room(
                    following, lost, events, size, lost_at
                ):
                    # The next page goes on here.
                    following.signals.has_new_rooms = True
                    return False
        place = following.place.only(room.jid for room in followed)
        for room in followed:
            if place.in_room(room.jid) is None:
                place = place.behind(room.jid, await self._end(room.jid))
        if following.take_rooms(rooms, followed, place):
            events.append(LiveEvent(place=following.place, rooms=rooms))
        return True

    async def _read_lost_room(
        self, following: _Following, room: str, events: list[LiveEvent], size: int, lost_at: int
    ) -> bool:
        """Add the next events of a room from before a removal; return whether these are all."""
        if len(events) >= size:
            return False
        try:
            page, items = await self._page_of(room, following.place.in_room(room) or 0, size)
        except (CursorExpired, ItemNotFound):
            return True
        for item in items:
            following.place = following.place.behind(room, item.event.event_id)
            if item.message is None:
                continue
            if item.message.message.stored.at > lost_at:
                return True
            events.append(LiveEvent(place=following.place, room=room, event=item))
        return page.complete

    async def _page_of(
        self, room: str, after: int, size: int
    ) -> tuple[EventPage, list[ReadableEvent]]:
        """Return a page of the archive of a room. Raises CursorExpired, ItemNotFound."""
        await self._queue.wait_readable(room)
        with translated():
            page = await self._store.page(room, after, limit=size, max_bytes=self._pager.max_bytes)
        messages = [event.message for event in page.events if event.message is not None]
        readable = iter(await self._views.of(room, messages, folded=False))
        folded = await self._views.of(room, list(page.targets.values()), folded=True)
        targets = dict(zip(page.targets, folded, strict=True))
        return page, [
            ReadableEvent(
                event=event,
                message=None if event.message is None else next(readable),
                target=targets.get(event.target or ""),
                conversation=None,
            )
            for event in page.events
        ]

    async def _end(self, room: str) -> int:
        await self._queue.wait_readable(room)
        with translated():
            return (await self._store.snapshot(room)).event_id

    async def _read_journal(self, following: _Following, size: int) -> ReadableEvents | None:
        """Return the next events of the journal, None if it has not changed."""
        following.check()
        if not following.journal.changed.is_set():
            return None
        following.journal.changed.clear()
        page = await self._events.page(following.owner, following.place.journal, size)
        if not page.complete:
            following.journal.changed.set()
        return page

    def _take_journal(self, following: _Following, page: ReadableEvents) -> list[LiveEvent]:
        """Return the events of a page of the journal that no archive of a room has."""
        events = []
        for item in page.events:
            following.place = replace(following.place, journal=item.event.cursor)
            shown = following.shown(item)
            if shown is not None:
                events.append(LiveEvent(place=following.place, event=shown))
        following.place = replace(following.place, journal=page.cursor)
        return events

    async def _read_room(
        self, following: _Following, room: str, events: list[LiveEvent], size: int
    ) -> bool:
        """Add the next events of a room; return whether these are all."""
        follower = following.followers[room]
        follower.changed.clear()
        try:
            page, items = await self._page_of(room, following.place.in_room(room) or 0, size)
        except (CursorExpired, ItemNotFound):
            # Another room has the name, or the archive was erased.
            following.place = following.place.behind(room, await self._end(room))
            events.append(LiveEvent(place=following.place, expired=room))
            return True
        for item in items:
            following.place = following.place.behind(room, item.event.event_id)
            if item.message is not None:
                events.append(LiveEvent(place=following.place, room=room, event=item))
        following.place = following.place.behind(room, page.event_id)
        if not page.complete:
            follower.changed.set()
        return page.complete


class _Following:
    """One follower: its place, and what wakes it."""

    def __init__(
        self,
        owner: str,
        place: Place,
        changed: asyncio.Event,
        journal: Follower,
        signals: SignalFollower,
        all_signals: Signals,
        followers: Followers,
    ) -> None:
        self.owner = owner
        self.place = place
        self.changed = changed  #: set at each change of anything
        self.journal = journal
        self.journal.changed.set()
        self.signals = signals
        self.followers: dict[str, Follower] = {}  #: by room
        self.rooms: tuple[MemberRoom, ...] = ()
        self._all_followers = followers
        self._all_signals = all_signals
        self._stacks: dict[str, ExitStack] = {}
        self._rooms_read_at: float | None = None

    def close(self) -> None:
        """Follow no room any more."""
        for stack in self._stacks.values():
            stack.close()

    def check(self) -> None:
        """Raise CursorExpired if the archive was erased meanwhile."""
        if self.journal.is_over:
            raise CursorExpired

    def needs_rooms(self, seconds: float) -> bool:
        """Return whether the rooms have changed, or were read more than some seconds ago."""
        now = asyncio.get_running_loop().time()
        is_old = self._rooms_read_at is None or now - self._rooms_read_at >= seconds
        if not is_old and not self.signals.has_new_rooms:
            return False
        self._rooms_read_at = now
        self.signals.has_new_rooms = False
        return True

    def take_rooms(
        self, rooms: tuple[MemberRoom, ...], followed: Sequence[MemberRoom], place: Place
    ) -> bool:
        """Follow some of the rooms of the user from a place; return whether the list is new."""
        jids = [room.jid for room in followed]
        for jid in [jid for jid in self._stacks if jid not in jids]:
            self._stacks.pop(jid).close()
            del self.followers[jid]
        for jid in jids:
            if jid not in self._stacks:
                stack = self._stacks[jid] = ExitStack()
                follow = self._all_followers.follow(jid, changed=_Signal(self.changed))
                self.followers[jid] = stack.enter_context(follow)
                # It may have messages behind its place.
                self.followers[jid].changed.set()
        self._all_signals.follow_rooms(self.signals, jids)
        self.rooms = rooms
        listed = digest("\n".join(f"{r.jid}\t{r.name}\t{r.affiliation}" for r in rooms))
        is_new = listed != place.list_digest
        self.place = replace(place, list_digest=listed)
        return is_new

    def changed_rooms(self) -> list[str]:
        """Return the rooms that may have messages behind their places."""
        return [room for room, follower in self.followers.items() if follower.changed.is_set()]

    def shown(self, item: ReadableEvent) -> ReadableEvent | None:
        """Return an event of the journal, None if the archive of a room has it as well."""
        entry = item.event.entry
        if conversation_of(item) not in self.followers:
            return item
        is_displayed = entry is not None and entry.kind is EntryKind.DISPLAYED
        # The account's own copies of messages of a room do not count.
        return replace(item, conversation=None) if is_displayed else None


def conversation_of(item: ReadableEvent) -> str | None:
    """Return the peer of the conversation that an event of the journal touches, if any."""
    entry = item.event.entry
    if item.message is not None:
        return item.message.message.stored.peer
    if entry is None or entry.kind not in (EntryKind.DISPLAYED, EntryKind.CHANGED):
        return None
    return entry.subject if entry.kind is EntryKind.DISPLAYED else fields_of(entry)["peer"]


def conversations_of(events: Collection[LiveEvent]) -> Mapping[int, str]:
    """Return by the number of an event the conversation that no later event of a page touches."""
    last = {item.conversation: number for number, item in enumerate(events)}
    return {number: jid for jid, number in last.items() if jid is not None}
