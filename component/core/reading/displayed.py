"""The messages that users have displayed (XEP-0490), from copies and from queries to the server.

Clients keep these markers on the user's own server, which copies to us all stanzas between it and
the clients. If the server permits it, we query the markers that changed while we were away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from cachetools import TTLCache

from component.core.archiving.writer import Queue
from component.core.errors import Overloaded
from component.core.hosts import Hosts
from component.core.xml import jids
from storage.errors import StorageError, Unavailable
from storage.interface import Archive
from storage.rows import DisplayedMarker

log = logging.getLogger(__name__)

#: Maximum number of seconds that a read of conversations waits for markers.
WAIT_SECONDS = 2.0

#: Seconds until the markers of a user are queried again, and the maximum number of users for whom
#: this is remembered. Copies have the markers that change meanwhile.
FRESH_SECONDS = 600.0
ASKED_MAX = 10_000

#: The number of concurrent queries.
ASKING_MAX = 50

#: Maximum number of markers that wait for the store. If there are more, Muniment drops those of
#: the user with the most, so that nobody crowds out the markers of others.
PENDING_MAX = 10_000

#: Maximum number of waiting markers of one user; the oldest are dropped first.
PENDING_OF_USER_MAX = 1000

#: Seconds during which markers are gathered for one transaction.
GATHER_SECONDS = 1.0


class DisplayedSource(Protocol):
    """The server that keeps the markers of users."""

    def is_askable(self, host: str) -> bool:
        """Return whether we may query the markers of users of a virtual host."""
        ...

    async def displayed(self, owner: str) -> tuple[DisplayedMarker, ...]:
        """Return the markers of a user, () if the server does not answer or refuses."""
        ...


class DisplayedMarkers:
    """Writes markers into the store, and queries those of users whose conversations are read."""

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
        #: markers that wait, by owner, as keys in the order in which they came
        self._pending: dict[str, dict[DisplayedMarker, None]] = {}
        self._pending_count = 0
        self._asked: TTLCache[str, None] = TTLCache(ASKED_MAX, FRESH_SECONDS, time.monotonic)
        self._refreshing: dict[str, asyncio.Task[None]] = {}  # by owner
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._is_failing = False

    def note(self, markers: Sequence[DisplayedMarker]) -> None:
        """Queue markers for the store, which alone can tell the newer one of two messages."""
        for marker in markers:
            self._hold(marker)
        if markers:
            self._wake.set()

    async def refresh(self, owner: str) -> None:
        """Query the markers of a user, so that the next read of conversations sees them.

        Return after `wait_seconds` at the latest; the next read sees markers that come later.
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
        """Query all users again, because markers from before the connection were not copied."""
        self._asked.clear()

    def forget(self, owner: str) -> None:
        """Discard the markers of a user whose archive was erased."""
        self._release(owner)

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
        """Let `run` return once no marker waits, or the store fails."""
        self._stopping.set()
        self._wake.set()

    def _hold(self, marker: DisplayedMarker) -> None:
        held = self._pending.setdefault(marker.owner, {})
        self._pending_count += marker not in held
        held[marker] = None
        if len(held) > PENDING_OF_USER_MAX:
            del held[next(iter(held))]
            self._pending_count -= 1
        if self._pending_count > PENDING_MAX:
            self._release(max(self._pending, key=lambda owner: len(self._pending[owner])))

    def _release(self, owner: str) -> Sequence[DisplayedMarker]:
        """Return the markers of an owner that have waited; they wait no more."""
        markers = [*self._pending.pop(owner, ())]
        self._pending_count -= len(markers)
        return markers

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
            markers = [
                replace(marker, is_room=self._hosts.is_room(marker.peer))
                for owner in owners
                for marker in self._release(owner)
            ]
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
