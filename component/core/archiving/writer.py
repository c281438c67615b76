"""The one queue into the store: group commit, back-pressure, and reads that see writes.

What gathers while one commit is under way goes into the next; there is no timer. Nothing that was
taken is ever dropped: a store that fails is tried again until it takes the batch, and meanwhile
the queue fills and the socket is no longer read. Lines of the audit log are written with the rest;
only they are refused by a store that fails, for what they tell of is not done then. What is left
at the end is handed out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from component.core.archiving.pressure import Backpressure
from component.core.errors import BadRequest, Overloaded, Refused
from component.core.messages.retraction import outcome
from storage.errors import Rejected, StorageError
from storage.interface import Archive
from storage.rows import (
    AuditEntry,
    Batch,
    NewMessage,
    Relation,
    RetractionOutcome,
    UnfinishedRetraction,
)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0


class Queue(Protocol):
    """Takes work on its way into the store."""

    def put(self, work: Sequence[NewMessage]) -> None:
        """Queue work; it is durable once `settled` returns."""
        ...

    async def settled(self, owner: str | None = None) -> None:
        """Wait until what was put before this call is durable: that of an owner, or of all.

        Raises Overloaded when nothing will be written any more.
        """
        ...

    async def readable(self, owner: str) -> None:
        """Wait until a read sees what was put before this call for an owner.

        While the store cannot be written, a read sees what was written before. Raises Overloaded
        when nothing will be written any more.
        """
        ...

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Say that the store is kept from being written: reads do not wait meanwhile."""
        ...


class Writer:
    """Writes entries in the order in which they were put, many to a commit."""

    def __init__(
        self,
        archive: Archive,
        *,
        pressure: Backpressure | None = None,
        on_written: Callable[[Collection[str]], None] = lambda _: None,
        is_held: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`pressure` counts what waits.

        `on_written` hears whose archives have changed, once that is durable. `is_held` tells
        whether there is a legal hold on an archive: no message of it is retracted then.
        """
        self._archive = archive
        self._pressure = pressure or Backpressure()
        self._on_written = on_written
        self._is_held = is_held
        self._queue: list[NewMessage | AuditEntry] = []
        self._batch: list[NewMessage | AuditEntry] = []  # being written
        self._put = 0
        self._done = 0
        #: The place behind what was put last for each owner that waits. Lines of the audit log are
        #: waited for by nobody but who had them written.
        self._last: dict[str, int] = {}
        #: What somebody waits for, by its place in the order of what was put: whether, and with
        #: what, it was refused.
        self._refused: dict[int, Refused | None] = {}
        self._dropped: set[int] = set()  # places of lines that are passed over when they come up
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._stopping = asyncio.Event()
        self._standing = 0  # how many keep the store from being written
        self._is_dead = False
        self.is_healthy = True

    @property
    def backlog(self) -> int:
        """How many entries are not durable yet."""
        return self._put - self._done

    @property
    def left(self) -> tuple[NewMessage, ...]:
        """What is not known to be durable, in its order."""
        return tuple(
            one for one in (*self._batch, *self._queue) if not isinstance(one, AuditEntry)
        )

    def put(self, work: Sequence[NewMessage]) -> None:
        """Queue work; it is durable once `settled` returns."""
        self._enqueue(work)
        for place, one in enumerate(work, self._put - len(work) + 1):
            self._last[one.owner] = place
        self._pressure.add(work)

    async def settled(self, owner: str | None = None) -> None:
        """Wait until what was put before this call is durable: that of an owner, or of all.

        Raises Overloaded when nothing will be written any more.
        """
        await self._reached(self._place(owner))

    async def readable(self, owner: str) -> None:
        """Wait until a read sees what was put before this call for an owner.

        While the store cannot be written, a read sees what was written before. Raises Overloaded
        when nothing will be written any more.
        """
        await self._reached(self._place(owner), or_=lambda: not self._is_written)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Say that the store is kept from being written: reads do not wait meanwhile."""
        self._standing += 1
        await self._tell()
        try:
            yield
        finally:
            self._standing -= 1

    def check_room(self) -> None:
        """Raise Overloaded when the queue is full."""
        if self._pressure.is_high:
            raise Overloaded

    async def store(self, work: Sequence[NewMessage]) -> None:
        """Put work and wait until it is durable.

        Raises Overloaded when the queue is full, BadRequest when the store will never take it.
        """
        self.check_room()
        places = range(self._put, self._put + len(work))
        self.put(work)
        await self._written(places)

    async def record(self, audit_entry: AuditEntry) -> None:
        """Write a line of the audit log; it is durable at the return.

        Raises Overloaded when the store fails, BadRequest when it will never take the line.
        """
        if not self._is_written:
            raise Overloaded
        place = self._put
        self._enqueue([audit_entry])
        await self._written(range(place, place + 1))

    async def run(self) -> None:
        """Write until `stop` is called and nothing waits, or the store fails behind it."""
        # A run before this one may have ended between a retraction and its tombstones.
        has_unfinished = True
        try:
            while True:
                while self._queue or (has_unfinished and not self._stopping.is_set()):
                    self._batch, self._queue = self._queue, []
                    if self._batch and not await self._write(self._batch, self._done):
                        return
                    # Before the waiting are told that the batch is durable: their next read finds
                    # the tombstone beside the retraction.
                    if has_unfinished or any(map(_is_retraction, self._batch)):
                        has_unfinished = await self._carry_out_retractions()
                    batch, self._batch = self._batch, []
                    await self._advance(batch)
                    if batch:
                        self._on_written(
                            {one.owner for one in batch if not isinstance(one, AuditEntry)}
                        )
                if self._stopping.is_set():
                    return
                await self._wait_for_work()
        finally:
            self._is_dead = True
            await self._tell()

    def stop(self) -> None:
        """Let `run` return once the queue is empty, or the store fails."""
        self._stopping.set()
        self._wake.set()

    @property
    def _is_written(self) -> bool:
        """Whether the store is written, as far as is known."""
        return self.is_healthy and not self._standing

    def _enqueue(self, work: Batch) -> None:
        self._queue.extend(work)
        self._put += len(work)
        self._wake.set()

    def _place(self, owner: str | None) -> int:
        """Return the place behind the last work of an owner, or of all, that waits."""
        if owner is None:
            return max(self._last.values(), default=0)
        return self._last.get(owner, 0)

    async def _written(self, places: range) -> None:
        """Wait until what has these places is durable. Raises what it was refused with."""
        self._refused.update(dict.fromkeys(places))
        try:
            await self._reached(places.stop, or_=lambda: any(map(self._refused.get, places)))
            if refused := next(filter(None, map(self._refused.get, places)), None):
                raise refused
        finally:
            for place in places:
                del self._refused[place]

    def _refuse(self, place: int, refused: Refused) -> None:
        """Tell it to who waits for what has this place; nobody does where it was put only."""
        if place in self._refused:
            self._refused[place] = refused

    async def _reached(self, place: int, *, or_: Callable[[], bool] = lambda: False) -> None:
        """Wait until all before a place is durable, or until something else holds."""

        def is_over() -> bool:
            return self._done >= place or self._is_dead or or_()

        if not is_over():
            async with self._progress:
                await self._progress.wait_for(is_over)
        if self._is_dead and self._done < place:
            raise Overloaded("The archive is not written any more: try again later.")

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def _write(self, batch: list[NewMessage | AuditEntry], place: int) -> bool:
        """Write a batch; return False where the store fails at the end."""
        pause = FIRST_RETRY_SECONDS
        while left := [one for at, one in enumerate(batch, place) if self._may(one, at)]:
            try:
                await self._archive.append(left)
            except Rejected:
                return await self._write_apart(batch, place)
            except Exception as error:
                await self._note_trouble(error, batch, place)
                if self._stopping.is_set():
                    return False
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
                pause = min(pause * 2, LAST_RETRY_SECONDS)
                continue
            break
        if not self.is_healthy:
            log.warning("archive can be written again")
        self.is_healthy = True
        return True

    async def _wait_for_work(self, seconds: float | None = None) -> None:
        """Wait until something is put or `stop` is called, but not longer than so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _note_trouble(self, error: Exception, batch: Batch, place: int) -> None:
        self.is_healthy = False
        # What is no fault of the store is one of this program: its log says where.
        fault = None if isinstance(error, StorageError) else error
        log.error("archive cannot be written, %d waiting: %s", self.backlog, error, exc_info=fault)
        await self._refuse_lines(batch, place)

    async def _carry_out_retractions(self) -> bool:
        """Do one step of each unfinished retraction; return whether another step is left.

        A step that fails is done later: the store offers the retraction again.
        """
        has_unfinished, last = False, 0
        try:
            while offered := await self._archive.unfinished_retractions(after=last):
                outcomes = [found for one in offered if (found := self._outcome(one))]
                await self._archive.apply_retractions(outcomes)
                has_unfinished |= not all(one.is_done for one in outcomes)
                last = offered[-1].number
        except Exception as error:
            fault = None if isinstance(error, StorageError) else error
            log.error("retractions are not carried out yet: %s", error, exc_info=fault)
            if not self._batch:
                await self._wait_for_work(LAST_RETRY_SECONDS)
            return True
        return has_unfinished

    def _outcome(self, retraction: UnfinishedRetraction) -> RetractionOutcome | None:
        """Return the outcome of a retraction, None after an unexpected error."""
        is_held = self._is_held(retraction.owner)
        if is_held:
            log.info(
                "retraction %s in the archive of %s is not carried out: there is a legal hold",
                retraction.message.id,
                retraction.owner,
            )
        try:
            return outcome(retraction, is_held=is_held)
        except Exception:
            # A fault of this program. The retraction is offered again with the next one.
            log.exception(
                "retraction %s in the archive of %s is not carried out",
                retraction.message.id,
                retraction.owner,
            )
            return None

    def _may(self, one: NewMessage | AuditEntry, place: int) -> bool:
        """Whether work may be done now: nobody waits any more for a line that was refused."""
        return place not in self._dropped if isinstance(one, AuditEntry) else True

    async def _refuse_lines(self, batch: Batch, place: int) -> None:
        """Refuse the lines of the audit log that wait, in a batch and behind it."""
        waiting = [*enumerate(batch, place), *enumerate(self._queue, self._put - len(self._queue))]
        for at, one in waiting:
            if isinstance(one, AuditEntry) and at not in self._dropped:
                self._refuse(at, Overloaded())
                self._dropped.add(at)
        await self._tell()

    async def _write_apart(self, batch: list[NewMessage | AuditEntry], place: int) -> bool:
        """Halve a batch until the entry that the store will never take stands alone."""
        if len(batch) == 1:
            [one] = batch
            named = one.subject if isinstance(one, AuditEntry) else one.owner
            log.error("left out of the archive of %s: the store refuses it", named)
            self._refuse(place, BadRequest("the request has a value that no archive can hold"))
            return True
        middle = len(batch) // 2
        first, second = batch[:middle], batch[middle:]
        return await self._write(first, place) and await self._write(second, place + middle)

    async def _advance(self, batch: Batch) -> None:
        self._done += len(batch)
        self._dropped = {place for place in self._dropped if place >= self._done}
        work = [one for one in batch if not isinstance(one, AuditEntry)]
        for one in work:
            if self._last.get(one.owner, self._put + 1) <= self._done:
                del self._last[one.owner]
        await self._tell()
        self._pressure.remove(work)


def _is_retraction(work: NewMessage | AuditEntry) -> bool:
    return isinstance(work, NewMessage) and work.relation is Relation.RETRACTION
