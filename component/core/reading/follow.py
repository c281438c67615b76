"""Follow an archive: read every message that arrives in it, once, in the order of arrival.

A follower is only woken when something new is durable, and reads on from its own position. So it
misses no message and gets none twice, even if it is slow. After a restart it continues behind the
last id that it has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from component.core.archiving.writer import Queue
from component.core.errors import ItemNotFound
from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.store_errors import translated
from component.core.xml.stanza import GROUPCHAT
from storage.interface import Archive
from storage.rows import ANY, ArchivedMessage, Filter, Page

#: The position before all messages; it equals no id.
FROM_START = "start"

#: The number of messages that a stream reads at once.
_PAGE = 100


class Follower:
    """The signals to one follower of an archive."""

    def __init__(
        self, *, hears_events: bool = False, changed: asyncio.Event | None = None
    ) -> None:
        self.hears_events = hears_events  #: of the journal too, and not of messages alone
        #: set at each change; clear it before reading
        self.changed = changed or asyncio.Event()
        self.is_over = False  #: later messages belong to another owner, and may not be read
        self.is_erased = False  #: messages of this archive were erased, or are being erased


class Followers:
    """Wakes the followers of archives."""

    def __init__(self) -> None:
        self._followers: defaultdict[str, set[Follower]] = defaultdict(set)
        self._erasing: set[str] = set()
        self._listeners: list[Callable[[Collection[str]], None]] = []

    def listen(self, on_change: Callable[[Collection[str]], None]) -> None:
        """Call a function with the owners of each change, of archives and of journals."""
        self._listeners.append(on_change)

    def changed(self, owners: Collection[str]) -> None:
        """Wake the followers of these archives."""
        self._tell(owners)
        if not self._followers:
            return
        for owner in owners:
            for follower in self._followers.get(owner, ()):
                follower.changed.set()

    def events_changed(self, owners: Collection[str]) -> None:
        """Wake the followers of these accounts that hear of their journals too."""
        self._tell(owners)
        for owner in owners:
            for follower in self._followers.get(owner, ()):
                if follower.hears_events:
                    follower.changed.set()

    def all_changed(self) -> None:
        """Wake all followers: anything may have changed."""
        self.changed(list(self._followers))

    def _tell(self, owners: Collection[str]) -> None:
        for on_change in self._listeners:
            on_change(owners)

    def end(self, owner: str) -> None:
        """End every follower of an archive: later messages belong to another owner."""
        for follower in self._followers.get(owner, ()):
            follower.is_over = True
            follower.changed.set()

    @contextmanager
    def erasing(self, owner: str) -> Iterator[None]:
        """End the followers of an archive that exist before the block, or begin within it."""
        self._erasing.add(owner)
        self._erase(owner)
        try:
            yield
        finally:
            self._erasing.discard(owner)
            self._erase(owner)

    def _erase(self, owner: str) -> None:
        for follower in self._followers.get(owner, ()):
            follower.is_erased = True
        self.end(owner)

    @contextmanager
    def follow(
        self, owner: str, *, hears_events: bool = False, changed: asyncio.Event | None = None
    ) -> Iterator[Follower]:
        """Return a follower of an archive for as long as the block lasts.

        `changed` is the event to set at each change, None: a new one.
        """
        follower = Follower(hears_events=hears_events, changed=changed)
        follower.is_erased = follower.is_over = owner in self._erasing
        self._followers[owner].add(follower)
        try:
            yield follower
        finally:
            self._followers[owner].discard(follower)
            if not self._followers[owner]:
                del self._followers[owner]


class ArchiveStream:
    """The messages of one archive from a position on, as they arrive."""

    def __init__(
        self, archive: Archive, followers: Followers, owner: str, filter: Filter, position: str
    ) -> None:
        """Only peer, resource, groupchat, kinds and since of the filter have an effect."""
        self._archive = archive
        self._followers = followers
        self._owner = owner
        self._filter = filter
        self.position = position  #: position of the last message that was read, or FROM_START

    async def messages(self, *, pause: float) -> AsyncGenerator[list[ArchivedMessage], None]:
        """Yield the messages that match, and an empty list after `pause` seconds of silence.

        The position moves along. Ends when the archive is erased, because later messages belong to
        another owner. Raises Overloaded when the store cannot be read.
        """
        with self._followers.follow(self._owner) as follower:
            while not follower.is_over:
                follower.changed.clear()
                try:
                    with translated():
                        page = await self._next()
                except ItemNotFound:
                    return
                if follower.is_over:
                    return
                if page.messages:
                    self.position = page.messages[-1].position
                    yield [message for message in page.messages if _matches(message, self._filter)]
                if page.complete and not await within(pause, follower.changed):
                    yield []

    async def _next(self) -> Page:
        if self.position != FROM_START:
            # The store may have deleted the message already: its recipient may not exist.
            return await self._archive.page_after(
                self._owner, self.position, limit=_PAGE, max_bytes=PAGE_MAX_BYTES
            )
        return await self._archive.page(self._owner, ANY, limit=_PAGE, max_bytes=PAGE_MAX_BYTES)


class ArchiveStreams:
    """Opens streams of archives."""

    def __init__(self, archive: Archive, queue: Queue, followers: Followers) -> None:
        self._archive = archive
        self._queue = queue
        self._followers = followers

    async def open(
        self, owner: str, filter: Filter, after: str | None, *, since: int = 0
    ) -> ArchiveStream:
        """Return a stream of the messages behind the id `after`, or behind FROM_START.

        With `after` None, return a stream of the messages that arrive after this call. No message
        from before `since` (microseconds) is in it. Raises ItemNotFound, Overloaded.
        """
        position = await self._position(owner, after)
        if since:
            filter = replace(filter, since=since)
        return ArchiveStream(self._archive, self._followers, owner, filter, position)

    async def _position(self, owner: str, after: str | None) -> str:
        if after == FROM_START:
            return FROM_START
        with translated():
            await self._queue.wait_readable(owner)
            if after is not None:
                await self._archive.page_after(owner, after, limit=0)
                return after
            page = await self._archive.page(owner, ANY, limit=1, backwards=True)
        return page.messages[0].position if page.messages else FROM_START


def _matches(message: ArchivedMessage, filter: Filter) -> bool:
    return (
        filter.peer in (None, message.peer)
        and filter.resource in (None, message.resource)
        and filter.groupchat in (None, message.type == GROUPCHAT)
        and (filter.kinds is None or message.kind in filter.kinds)
        and (filter.since is None or message.at >= filter.since)
    )


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for an event; return whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
