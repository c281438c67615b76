"""The one queue into the store: group commit, back-pressure, and reads that see writes.

What gathers while one commit is under way goes into the next; there is no timer. Nothing that was
taken is ever dropped: a store that fails is tried again until it takes the batch, and meanwhile
the queue fills and the socket is no longer read. Lines of the audit log are written with the rest;
only they are refused by a store that fails, for what they tell of is not done then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from component.core.errors import BadRequest, Overloaded, Refused
from component.core.tombstones import again
from storage.errors import Rejected, StorageError
from storage.interface import Archive
from storage.rows import Batch, Deed, Entry, Retraction, Work

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0


class Queue(Protocol):
    """Takes work on its way into the store."""

    def put(self, work: Sequence[Work]) -> None:
        """Queue work; it is durable once `settled` returns."""
        ...

    async def settled(self, owner: str | None = None) -> None:
        """Wait until what was put before this call is durable: that of an owner, or of all."""
        ...


class Writer:
    """Writes entries in the order in which they were put, many to a commit."""

    def __init__(
        self,
        archive: Archive,
        *,
        capacity: int,
        on_pressure: Callable[[bool], None],
        on_written: Callable[[Collection[str]], None] = lambda _: None,
        is_held: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`on_pressure` hears True when `capacity` entries wait, False when half of it is free.

        `on_written` hears whose archives have changed, once that is durable. `is_held` tells of
        whose archive nothing may be taken back: there is a legal hold on it.
        """
        self._archive = archive
        self._capacity = capacity
        self._on_pressure = on_pressure
        self._on_written = on_written
        self._is_held = is_held
        self._queue: list[Work | Deed] = []
        self._put = 0
        self._readable = 0  #: behind the last work with messages that was put
        self._done = 0
        self._refused: dict[int, Refused] = {}  # by the place in the order of what was put
        self._dropped: set[int] = set()  # places of lines that are passed over when they come up
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._pressed = False
        self._stopping = False
        self.is_healthy = True

    @property
    def backlog(self) -> int:
        """How many entries are not durable yet."""
        return self._put - self._done

    def put(self, work: Sequence[Work]) -> None:
        """Queue work; it is durable once `settled` returns."""
        self._enqueue(work)
        if work:
            self._readable = self._put
        if not self._pressed and self.backlog >= self._capacity:
            self._pressed = True
            self._on_pressure(True)

    async def settled(self, owner: str | None = None) -> None:
        """Wait until what was put before this call is durable.

        That is in one order for all owners, so it is the same to wait for one of them. Lines of
        the audit log are waited for by nobody but who had them written.
        """
        target = self._readable
        if self._done >= target:
            return
        async with self._progress:
            await self._progress.wait_for(lambda: self._done >= target)

    def check_room(self) -> None:
        """Raise Overloaded when the queue is full."""
        if self._pressed:
            raise Overloaded

    async def store(self, work: Sequence[Work]) -> None:
        """Put work and wait until it is durable.

        Raises Overloaded when the queue is full, BadRequest when the store will never take it.
        """
        self.check_room()
        places = range(self._put, self._put + len(work))
        self.put(work)
        await self._written(places)

    async def record(self, deed: Deed) -> None:
        """Write a line of the audit log; it is durable at the return.

        Raises Overloaded when the store fails, BadRequest when it will never take the line.
        """
        if not self.is_healthy:
            raise Overloaded
        place = self._put
        self._enqueue([deed])
        await self._written(range(place, place + 1))

    async def run(self) -> None:
        """Write until `stop` is called and nothing waits any more."""
        # What a run before this one left unfinished is gone on with.
        is_unfinished = True
        while True:
            while self._queue or (is_unfinished and not self._stopping):
                batch, self._queue = self._queue, []
                if batch:
                    await self._write(batch, self._done)
                    await self._advance(len(batch))
                    self._on_written({one.owner for one in batch if not isinstance(one, Deed)})
                is_unfinished |= any(isinstance(one, Retraction) for one in batch)
                if is_unfinished and not self._stopping:
                    is_unfinished = await self._go_on()
            if self._stopping:
                return
            await self._wake.wait()
            self._wake.clear()

    def stop(self) -> None:
        """Let `run` return once the queue is empty."""
        self._stopping = True
        self._wake.set()

    def _enqueue(self, work: Batch) -> None:
        self._queue.extend(work)
        self._put += len(work)
        self._wake.set()

    async def _written(self, places: range) -> None:
        """Wait until what has these places is durable. Raises what it was refused with."""
        async with self._progress:
            await self._progress.wait_for(
                lambda: self._done >= places.stop or not self._refused.keys().isdisjoint(places)
            )
        for place in places:
            if refused := self._refused.pop(place, None):
                raise refused

    async def _write(self, batch: list[Work | Deed], place: int) -> None:
        pause = FIRST_RETRY_SECONDS
        while left := [one for at, one in enumerate(batch, place) if self._may(one, at)]:
            try:
                await self._archive.append(left)
            except Rejected:
                await self._write_apart(batch, place)
            except Exception as error:
                self.is_healthy = False
                # What is no fault of the store is one of this program: its log says where.
                fault = None if isinstance(error, StorageError) else error
                log.error(
                    "archive cannot be written, %d waiting: %s",
                    self.backlog,
                    error,
                    exc_info=fault,
                )
                await self._refuse_lines(batch, place)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_RETRY_SECONDS)
                continue
            if not self.is_healthy:
                log.warning("archive can be written again")
            break
        self.is_healthy = True

    async def _go_on(self) -> bool:
        """Do one more step of a retraction of which something is left; return whether it did."""
        try:
            left = map(again, await self._archive.unfinished())
            work = next((one for one in left if one and not self._is_held(one.owner)), None)
            if work is not None:
                await self._archive.append([work])
        except Exception as error:
            # They are gone on with behind the next retraction, or when the program starts again.
            fault = None if isinstance(error, StorageError) else error
            log.error("a retraction is not finished: %s", error, exc_info=fault)
            return False
        return work is not None

    def _may(self, one: Work | Deed, place: int) -> bool:
        """Whether work may be done now: a hold counts also where it came after the work."""
        if isinstance(one, Deed):
            return place not in self._dropped
        return isinstance(one, Entry) or not self._is_held(one.owner)

    async def _refuse_lines(self, batch: Batch, place: int) -> None:
        """Refuse the lines of the audit log that wait, in a batch and behind it."""
        waiting = [*enumerate(batch, place), *enumerate(self._queue, self._put - len(self._queue))]
        for at, one in waiting:
            if isinstance(one, Deed) and at not in self._dropped:
                self._refused[at] = Overloaded()
                self._dropped.add(at)
        async with self._progress:
            self._progress.notify_all()

    async def _write_apart(self, batch: list[Work | Deed], place: int) -> None:
        """Halve a batch until the entry that the store will never take stands alone."""
        if len(batch) == 1:
            [one] = batch
            named = one.subject if isinstance(one, Deed) else one.owner
            log.error("left out of the archive of %s: the store refuses it", named)
            self._refused[place] = BadRequest("the request has a value that no archive can hold")
            return
        middle = len(batch) // 2
        await self._write(batch[:middle], place)
        await self._write(batch[middle:], place + middle)

    async def _advance(self, count: int) -> None:
        async with self._progress:
            self._done += count
            self._dropped = {place for place in self._dropped if place >= self._done}
            self._progress.notify_all()
        if self._pressed and self.backlog <= self._capacity // 2:
            self._pressed = False
            self._on_pressure(False)
