"""The one queue into the store: group commit, back-pressure, and reads that see writes.

Messages that arrive during one commit go into the next; there is no timer. No queued message is
ever lost: if the store fails, the batch is retried until the store takes it. Meanwhile the queue
fills, and the socket is no longer read. Audit log entries are written with the messages. Only they
are refused if the store fails, because the action that they record does not happen then. At the
end of the program `unwritten` has the messages that the store did not take.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from component.core.archiving.pressure import Backpressure
from component.core.errors import BadRequest, Overloaded, Refused
from component.core.messages.retraction import outcome as retraction_outcome
from component.core.metrics import Metrics
from storage.errors import Rejected, StorageError
from storage.interface import Archive
from storage.rows import (
    UNFINISHED_MAX,
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
    """Takes new messages on their way into the store."""

    def put(self, work: Sequence[NewMessage]) -> None:
        """Queue messages; they are durable once `wait_durable` returns."""
        ...

    async def wait_durable(self, owner: str | None = None) -> None:
        """Wait until all messages put before this call are durable, of `owner` or of all owners.

        Raises Overloaded if nothing will be written any more.
        """
        ...

    async def wait_readable(self, owner: str) -> None:
        """Wait until a read of an archive sees all messages put for its owner before this call.

        While the store cannot be written, it returns at once, and a read sees only the messages
        that are written. Raises Overloaded if nothing will be written any more.
        """
        ...

    def writes_paused(self) -> AbstractAsyncContextManager[None]:
        """Return a context in which reads do not wait, because the store cannot be written."""
        ...


class Writer:
    """Writes messages and audit log entries in the order of their queueing, many to a commit."""

    def __init__(
        self,
        archive: Archive,
        *,
        pressure: Backpressure | None = None,
        on_written: Callable[[Collection[str]], None] = lambda _: None,
        is_held: Callable[[str], bool] = lambda _: False,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        last_retry_seconds: float = LAST_RETRY_SECONDS,
        metrics: Metrics | None = None,
    ) -> None:
        """`pressure` counts the messages that wait.

        `on_written` is called with the owners of the archives that changed, once the change is
        durable. `is_held` returns whether an archive is under legal hold: retractions change
        nothing in it then. The pauses between attempts to write grow from `first_retry_seconds` to
        `last_retry_seconds`.
        """
        self._archive = archive
        self._metrics = metrics or Metrics()
        self._pressure = pressure or Backpressure()
        self._on_written = on_written
        self._is_held = is_held
        self._first_retry_seconds = first_retry_seconds
        self._last_retry_seconds = last_retry_seconds
        self._queue: list[NewMessage | AuditEntry] = []
        self._batch: list[NewMessage | AuditEntry] = []  # being written
        self._put_count = 0
        self._done_count = 0
        #: By owner, the place behind the last message that waits. Audit log entries are not in it:
        #: only `record` waits for them.
        self._last_places: dict[str, int] = {}
        #: By place in the queue, for each entry that a caller waits for: the error with which the
        #: entry was refused, None if it was not.
        self._refused: dict[int, Refused | None] = {}
        self._refused_audit_entries: set[int] = set()  # places of audit log entries not to write
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._stopping = asyncio.Event()
        self._pauses = 0  # contexts in which the store cannot be written
        #: the place from which on entries wait for `release`, None if they are written at once
        self._held_from: int | None = None
        self._has_ended = False
        # An earlier run may have ended between a retraction and its tombstones.
        self._has_unfinished = True
        self._retracted_to = 0  # the number of the last retraction that was offered
        self._has_further_steps = False  # whether one of the retractions up to there needs another
        self.is_healthy = True

    @property
    def backlog(self) -> int:
        """The number of entries that are not durable yet."""
        return self._put_count - self._done_count

    @property
    def pressure(self) -> Backpressure:
        """The memory that waiting messages take."""
        return self._pressure

    @property
    def unwritten(self) -> tuple[NewMessage, ...]:
        """The messages that are not known to be durable, in the order of their queueing."""
        return tuple(
            entry for entry in (*self._batch, *self._queue) if not isinstance(entry, AuditEntry)
        )

    def put(self, work: Sequence[NewMessage]) -> None:
        self._enqueue(work)
        for place, message in enumerate(work, self._put_count - len(work) + 1):
            self._last_places[message.owner] = place
        self._pressure.add(work)

    async def wait_durable(self, owner: str | None = None) -> None:
        await self._wait_for_place(self._place(owner))

    async def wait_readable(self, owner: str) -> None:
        await self._wait_for_place(self._place(owner), is_settled=lambda: not self._is_writing)

    def hold_back(self) -> None:
        """Write what was queued before; what comes from now on waits until `release` is called.

        If entries wait already, they stay behind the same place.
        """
        if self._held_from is None:
            self._held_from = self._put_count

    def release(self) -> None:
        """Write what was held back."""
        self._held_from = None
        self._wake.set()

    async def wait_durable_before_hold(self) -> None:
        """Wait until all that was queued before `hold_back` is durable; without a hold, all.

        Raises Overloaded if nothing will be written any more.
        """
        place = self._place(None)
        await self._wait_for_place(
            place if self._held_from is None else min(self._held_from, place)
        )

    @asynccontextmanager
    async def writes_paused(self) -> AsyncIterator[None]:
        self._pauses += 1
        await self._notify()
        try:
            yield
        finally:
            self._pauses -= 1

    def check_room(self) -> None:
        """Raise Overloaded if the queue is full."""
        if self._pressure.is_high:
            raise Overloaded

    async def store(self, work: Sequence[NewMessage]) -> None:
        """Queue messages and wait until they are durable.

        Raises Overloaded if the queue is full, BadRequest if the store can never take them.
        """
        self.check_room()
        places = range(self._put_count, self._put_count + len(work))
        self.put(work)
        await self._wait_written(places)

    async def record(self, audit_entry: AuditEntry) -> None:
        """Write an audit log entry and wait until it is durable.

        Raises Overloaded if the store fails, BadRequest if it can never take the entry.
        """
        if not self._is_writing:
            raise Overloaded
        place = self._put_count
        self._enqueue([audit_entry])
        await self._wait_written(range(place, place + 1))

    async def run(self) -> None:
        """Write until `stop` was called and then the queue is empty or the store fails.

        Entries that are held back are written after `release`, even if `stop` was called.
        """
        try:
            while True:
                while self._ready or (self._has_unfinished and not self._stopping.is_set()):
                    ready = self._ready
                    self._batch, self._queue = self._queue[:ready], self._queue[ready:]
                    if self._batch and not await self._write(self._batch, self._done_count):
                        return
                    # Callers that wait for the batch are woken after this: their next read finds
                    # the tombstone beside the retraction, unless hundreds came at once.
                    if self._has_unfinished or any(map(_is_retraction, self._batch)):
                        self._has_unfinished = False  # another one may be noted meanwhile
                        is_left = await self._carry_out_retractions()
                        self._has_unfinished = self._has_unfinished or is_left
                    batch, self._batch = self._batch, []
                    await self._advance(batch)
                    if batch:
                        self._on_written(
                            {entry.owner for entry in batch if not isinstance(entry, AuditEntry)}
                        )
                if self._stopping.is_set() and not self._queue:
                    return
                await self._wait_for_work()
        finally:
            self._has_ended = True
            await self._notify()

    def carry_out_retractions(self) -> None:
        """Carry out the retractions that were noted in the store as unfinished."""
        self._has_unfinished = True
        self._wake.set()

    def stop(self) -> None:
        """Let `run` return once the queue is empty or the store fails."""
        self._stopping.set()
        self._wake.set()

    @property
    def _is_writing(self) -> bool:
        """Whether the store can be written, as far as is known."""
        return self.is_healthy and not self._pauses

    @property
    def _ready(self) -> int:
        """How many entries of the queue may be written now."""
        if self._held_from is None:
            return len(self._queue)
        first = self._put_count - len(self._queue)
        return max(self._held_from - first, 0)

    def _enqueue(self, work: Batch) -> None:
        self._queue.extend(work)
        self._put_count += len(work)
        self._wake.set()

    def _place(self, owner: str | None) -> int:
        """Return the place behind the last waiting message of an owner, or of all owners."""
        if owner is None:
            return max(self._last_places.values(), default=0)
        return self._last_places.get(owner, 0)

    async def _wait_written(self, places: range) -> None:
        """Wait until the entries at `places` are durable. Raises the error of a refused entry."""
        self._refused.update(dict.fromkeys(places))
        try:
            await self._wait_for_place(
                places.stop, is_settled=lambda: any(map(self._refused.get, places))
            )
            if refused := next(filter(None, map(self._refused.get, places)), None):
                raise refused
        finally:
            for place in places:
                del self._refused[place]

    def _refuse(self, place: int, refused: Refused) -> None:
        """Refuse the entry at a place, if a caller waits for it; `put` does not wait."""
        if place in self._refused:
            self._refused[place] = refused

    async def _wait_for_place(
        self, place: int, *, is_settled: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until all entries before a place are durable, or `is_settled` returns True."""

        def is_over() -> bool:
            return self._done_count >= place or self._has_ended or is_settled()

        if not is_over():
            async with self._progress:
                await self._progress.wait_for(is_over)
        if self._has_ended and self._done_count < place:
            raise Overloaded("Muniment is stopping: try again later.")

    async def _notify(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def _write(self, batch: list[NewMessage | AuditEntry], place: int) -> bool:
        """Write a batch; return False if the store fails after `stop`.

        `place` is that of the first entry of the batch.
        """
        pause = self._first_retry_seconds
        while entries := [
            e for at, e in enumerate(batch, place) if self._has_to_be_written(e, at)
        ]:
            try:
                with self._metrics.commit_seconds.time():
                    await self._archive.append(entries)
            except Rejected:
                return await self._write_halves(batch, place)
            except Exception as error:
                await self._note_failure(error, batch, place)
                if self._stopping.is_set():
                    return False
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
                pause = min(pause * 2, self._last_retry_seconds)
                continue
            self._metrics.note_archived(e for e in entries if not isinstance(e, AuditEntry))
            break
        if not self.is_healthy:
            log.warning("the archive can be written again")
        self.is_healthy = True
        return True

    async def _wait_for_work(self, seconds: float | None = None) -> None:
        """Wait until an entry is queued or `stop` is called, at most `seconds` long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()

    async def _note_failure(self, error: Exception, batch: Batch, place: int) -> None:
        self.is_healthy = False
        self._metrics.commit_failures.inc()
        # Any other error is a fault of this program: the log gets its traceback.
        fault = None if isinstance(error, StorageError) else error
        log.error(
            "the archive cannot be written: %s; %d wait", error, self.backlog, exc_info=fault
        )
        await self._refuse_audit_entries(batch, place)

    async def _carry_out_retractions(self) -> bool:
        """Do one step of some unfinished retractions; return whether there may be another one.

        Messages that wait are written between two calls, however many retractions there are. A
        failed step is repeated later: the store offers the retraction again.
        """
        try:
            offered = await self._archive.unfinished_retractions(after=self._retracted_to)
            outcomes = [o for retraction in offered if (o := self._outcome(retraction))]
            if outcomes:
                await self._archive.apply_retractions(outcomes)
        except Exception as error:
            fault = None if isinstance(error, StorageError) else error
            log.error("retractions are not carried out yet: %s", error, exc_info=fault)
            self._retracted_to = 0
            if not self._batch:
                await self._wait_for_work(self._last_retry_seconds)
            return True
        self._has_further_steps |= not all(outcome.is_done for outcome in outcomes)
        if len(offered) == UNFINISHED_MAX:
            self._retracted_to = offered[-1].number
            return True
        has_further_steps, self._has_further_steps = self._has_further_steps, False
        self._retracted_to = 0
        return has_further_steps

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
            return retraction_outcome(retraction, is_held=is_held)
        except Exception:
            # The store offers this retraction again with the next one.
            log.exception(
                "retraction %s in the archive of %s is not carried out",
                retraction.message.id,
                retraction.owner,
            )
            return None

    def _has_to_be_written(self, entry: NewMessage | AuditEntry, place: int) -> bool:
        """Return whether to write an entry: everything except refused audit log entries."""
        return place not in self._refused_audit_entries if isinstance(entry, AuditEntry) else True

    async def _refuse_audit_entries(self, batch: Batch, place: int) -> None:
        """Refuse the audit log entries that wait, in the batch and behind it."""
        waiting = [
            *enumerate(batch, place),
            *enumerate(self._queue, self._put_count - len(self._queue)),
        ]
        for at, entry in waiting:
            if isinstance(entry, AuditEntry) and at not in self._refused_audit_entries:
                self._refuse(at, Overloaded())
                self._refused_audit_entries.add(at)
        await self._notify()

    async def _write_halves(self, batch: list[NewMessage | AuditEntry], place: int) -> bool:
        """Halve a batch until the entry that the store can never take is alone, and refuse it."""
        if len(batch) == 1:
            [entry] = batch
            if isinstance(entry, AuditEntry):
                log.error("the store refuses an audit log entry about %s", entry.subject)
            else:
                log.error("the store refuses a message in the archive of %s", entry.owner)
            self._refuse(place, BadRequest("the request has a value that no archive can hold"))
            return True
        middle = len(batch) // 2
        first, second = batch[:middle], batch[middle:]
        return await self._write(first, place) and await self._write(second, place + middle)

    async def _advance(self, batch: Batch) -> None:
        self._done_count += len(batch)
        self._refused_audit_entries = {
            place for place in self._refused_audit_entries if place >= self._done_count
        }
        messages = [entry for entry in batch if not isinstance(entry, AuditEntry)]
        for message in messages:
            if self._last_places.get(message.owner, self._put_count + 1) <= self._done_count:
                del self._last_places[message.owner]
        await self._notify()
        self._pressure.remove(messages)


def _is_retraction(entry: NewMessage | AuditEntry) -> bool:
    return isinstance(entry, NewMessage) and entry.relation is Relation.RETRACTION
