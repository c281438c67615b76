"""What users have displayed (XEP-0490): noted from copies, and asked for at the first look.

Clients keep these markers on the user's own server. All that passes between a user's clients and
that server is copied to us; what passed while we were away is asked for where the server lets us.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Protocol

from cachetools import FIFOCache, TTLCache

from component.core.archiving.writer import Queue
from component.core.errors import Overloaded
from component.core.hosts import Hosts
from component.core.xml import jids
from storage.errors import StorageError, Unavailable
from storage.interface import Archive
from storage.rows import DisplayedMarker

log = logging.getLogger(__name__)

#: How long a read of conversations waits at most for markers.
WAIT_SECONDS = 2.0

#: How long a user is not asked for again, and how many users that is remembered of. The copies
#: tell what is new meanwhile.
FRESH_SECONDS = 600.0
ASKED_MAX = 10_000

#: How many users are asked for at once.
ASKING_MAX = 50

#: How many markers wait to be written; the oldest are dropped first.
PENDING_MAX = 10_000

#: How long markers are gathered for one transaction.
GATHER_SECONDS = 1.0


class DisplayedSource(Protocol):
    """The server that keeps the markers of users."""

    def is_askable(self, host: str) -> bool:
        """Whether the server lets us ask for the markers of users of a virtual host."""
        ...

    async def displayed(self, owner: str) -> tuple[DisplayedMarker, ...]:
        """Return the markers of a user, () where the server does not give them."""
        ...


class DisplayedMarkers:
    """Writes markers into the store, and asks for those of users whose conversations are read."""

    def __init__(
        self,
        archive: Archive,
        queue: Queue,
        hosts: Hosts,
        source: DisplayedSource,
        *,
        on_changed: Callable[[Collection[str]], None] = lambda _: None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """`queue` has the messages on their way into the archive: markers wait for them.

        `on_changed` is called with the owners whose conversations a marker has changed.
        """
        self._archive = archive
        self._queue = queue
        self._hosts = hosts
        self._source = source
        self._on_changed = on_changed
        self._wait_seconds = wait_seconds
        #: markers that wait, by owner
        self._pending: FIFOCache[str, frozenset[DisplayedMarker]] = FIFOCache(
            PENDING_MAX, getsizeof=len
        )
        self._asked: TTLCache[str, None] = TTLCache(ASKED_MAX, FRESH_SECONDS, time.monotonic)
        self._refreshing: dict[str, asyncio.Task[None]] = {}  # by owner
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._is_failing = False

    def note(self, markers: Sequence[DisplayedMarker]) -> None:
        """Take markers. Only the store knows which of two messages is the newer one."""
        by_owner: dict[str, set[DisplayedMarker]] = {}
        for marker in markers:
            by_owner.setdefault(marker.owner, set()).add(marker)
        for owner, added in by_owner.items():
            with suppress(ValueError):  # There are more than may wait.
                self._pending[owner] = self._pending.get(owner, frozenset()) | added
            self._wake.set()

    async def refresh(self, owner: str) -> None:
        """Let the next read of conversations see the markers of a user.

        It returns after `wait_seconds` at the latest; markers that come later count in the next
        read.
        """
        task = self._refreshing.get(owner)
        if task is None:
            is_behind = owner in self._pending or self._writing.locked()
            is_full = len(self._refreshing) >= ASKING_MAX
            if is_full or not (is_behind or self._is_to_be_asked(owner)):
                return
            task = asyncio.create_task(self._refresh(owner))
            self._refreshing[owner] = task
            task.add_done_callback(lambda _: self._refreshing.pop(owner))
        await asyncio.wait([task], timeout=self._wait_seconds)

    def reconnected(self) -> None:
        """Ask for all users again: what they displayed meanwhile was not copied."""
        self._asked.clear()

    def forget(self, owner: str) -> None:
        """Discard the markers of a user whose archive was erased."""
        self._pending.pop(owner, None)

    async def run(self) -> None:
        """Write markers until `stop` is called, or nothing will be written any more."""
        is_last = False
        while not is_last:
            await self._wake.wait()
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), GATHER_SECONDS)
            is_last = self._stopping.is_set()
            try:
                await self._queue.wait_durable()
            except Overloaded:
                return
            await self._write(None)

    def stop(self) -> None:
        """Let `run` return once what waits is written, or cannot be."""
        self._stopping.set()
        self._wake.set()

    def _is_to_be_asked(self, owner: str) -> bool:
        is_known = owner in self._asked or not self._hosts.is_user(owner)
        return not is_known and self._source.is_askable(jids.domain(owner))

    async def _refresh(self, owner: str) -> None:
        if self._is_to_be_asked(owner):
            self._asked[owner] = None
            self.note(await self._source.displayed(owner))
        await self._write(owner)

    async def _write(self, owner: str | None) -> None:
        """Write the markers of an owner, or of all owners."""
        async with self._writing:
            owners = list(self._pending) if owner is None else [owner]
            markers = [m for owner in owners for m in self._pending.pop(owner, ())]
            if not markers:
                return
            try:
                changed = await self._archive.note_displayed(markers)
            except Unavailable as error:
                self.note(markers)
                if not self._is_failing:
                    log.warning("displayed markers cannot be written yet: %s", error)
                self._is_failing = True
            except StorageError as error:
                log.error("the store refuses displayed markers: %s", error)
            else:
                self._is_failing = False
                self._on_changed(changed)
