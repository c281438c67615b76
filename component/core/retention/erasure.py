"""Deletion on an operator's order: a whole archive, or the content of messages in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from component.core.archiving.writer import Queue
from component.core.errors import Refused
from component.core.reading.follow import Followers
from component.core.retention.holds import Holds
from component.core.shared_tasks import SharedTasks
from component.core.store_errors import translated
from storage.errors import StorageError
from storage.interface import Retention
from storage.rows import Cutoff, Removed

log = logging.getLogger(__name__)

#: The part of a caller's time limit that an erasure may take, so that there is time left to answer
#: that the erasure continues.
TIMEOUT_SHARE = 0.8

#: Between two steps that give back space, so that messages are written.
PAUSE_SECONDS = 0.01


async def no_spill() -> None:
    """Return at once: there is no spill file."""


async def scrub(retention: Retention, queue: Queue) -> bool:
    """Remove the traces of deleted messages from the files; return whether they were rewritten.

    The store is rewritten, which takes a while for a large one. Meanwhile messages wait in the
    queue; reads do not wait for them. Raises StorageError.
    """
    await retention.scrub_index()
    async with queue.writes_paused():
        return await retention.scrub_files()


async def release(retention: Retention) -> None:
    """Give the unused space of the store back to the disk, as far as that needs no rewrite.

    It takes many short steps, and messages are written between them. Raises StorageError.
    """
    while await retention.release():  # noqa: ASYNC110 - each call is a step of the work
        await asyncio.sleep(PAUSE_SECONDS)


class Erasure:
    """Erases archives in background tasks, never under a legal hold."""

    def __init__(
        self,
        retention: Retention,
        writer: Queue,
        holds: Holds,
        *,
        followers: Followers,
        batch: int,
        before_erase: Sequence[Callable[[str], None]] = (),
        after_erase: Sequence[Callable[[str], None]] = (),
        wait_for_spill: Callable[[], Awaitable[None]] = no_spill,
    ) -> None:
        """`batch` is the number of messages per transaction.

        `before_erase` are called with each owner, and queue the messages that they still hold back
        for this archive. `after_erase` are called with each owner whose cached state is outdated.

        `wait_for_spill` returns when no message that was spilled at the last stop can come back.
        """
        self._retention = retention
        self._writer = writer
        self._holds = holds
        self._batch = batch
        self._followers = followers
        self._before_erase = tuple(before_erase)
        self._after_erase = tuple(after_erase)
        self._wait_for_spill = wait_for_spill
        self._running = SharedTasks[str, Removed](_log_failure)
        #: By owner whose erasure was called for again while it runs: whether to scrub then.
        self._repeat: dict[str, bool] = {}

    async def erase(self, owner: str, *, wait_seconds: float, scrub: bool = True) -> Removed:
        """Erase an archive and all other data that names its owner.

        Messages that were received before this call are erased with it. Returns the number of
        erased messages, or `done=False` after `wait_seconds`; the erasure then continues. Calls
        during an erasure share one repetition and wait for its end. Without `scrub` traces remain
        in unused parts of the files until the store is rewritten the next time.

        Raises Conflict, Overloaded.
        """
        self._holds.refuse_if_held(owner)
        if self._running.is_running(owner):
            self._repeat[owner] = scrub or self._repeat.get(owner, False)
        with translated():
            removed = await self._running.run(
                owner, lambda: self._run(owner, scrub), wait_seconds=wait_seconds
            )
        return Removed(done=False) if removed is None else removed

    def is_erasing(self, owner: str) -> bool:
        """Return whether an archive is being erased."""
        return self._running.is_running(owner)

    async def blank(self, owner: str, id: str) -> Removed:
        """Blank one message: its content is deleted, its row stays.

        Raises Conflict, ItemNotFound, Overloaded.
        """
        await self._writer.wait_durable(owner)
        self._holds.refuse_if_held(owner)
        with translated():
            removed = await self._retention.blank(owner, id)
        self._followers.events_changed([owner])
        return removed

    async def blank_conversation(self, owner: str, peer: str, *, wait_seconds: float) -> Removed:
        """Blank all messages of an archive with one peer (bare JID): rows stay, without content.

        Messages that were received before this call are among them. Returns the number of blanked
        messages, or `done=False` after `wait_seconds`; the work then continues.

        Raises Conflict, Overloaded.
        """
        self._holds.refuse_if_held(owner)
        with translated():
            removed = await self._running.run(
                f"{owner} with {peer}",
                lambda: self._blank_conversation(owner, peer),
                wait_seconds=wait_seconds,
            )
        return Removed(done=False) if removed is None else removed

    async def close(self) -> None:
        """Cancel all erasures; an archive that is half erased can be erased again."""
        await self._running.close()

    async def _blank_conversation(self, owner: str, peer: str) -> Removed:
        for release in self._before_erase:
            release(owner)
        await self._writer.wait_durable(owner)
        total = Removed(done=False)
        while not total.done:
            # An operator may have set a hold meanwhile.
            self._holds.refuse_if_held(owner)
            batch = await self._retention.blank_oldest(
                owner, peer, Cutoff(messages=0), limit=self._batch
            )
            total = _sum(total, batch)
        self._followers.events_changed([owner])
        await scrub(self._retention, self._writer)
        return total

    async def _run(self, owner: str, is_scrubbed: bool) -> Removed:
        """Erase, and erase once more if there were calls meanwhile."""
        try:
            total = await self._erase(owner, is_scrubbed)
            while owner in self._repeat:
                total = _sum(total, await self._erase(owner, self._repeat.pop(owner)))
            return total
        finally:
            self._repeat.pop(owner, None)

    async def _erase(self, owner: str, is_scrubbed: bool) -> Removed:
        for release in self._before_erase:
            release(owner)
        await self._wait_for_spill()
        await self._writer.wait_durable(owner)
        self._holds.refuse_if_held(owner)
        with self._followers.erasing(owner):
            total = await self._erase_batches(owner)
        for discard in self._after_erase:
            discard(owner)
        if is_scrubbed:
            await scrub(self._retention, self._writer)
        return total

    async def _erase_batches(self, owner: str) -> Removed:
        total = Removed(done=False)
        while not total.done:
            # An operator may have set a hold meanwhile.
            self._holds.refuse_if_held(owner)
            total = _sum(total, await self._retention.erase(owner, limit=self._batch))
        return total


def _log_failure(owner: str, task: asyncio.Task[Removed]) -> None:
    if task.cancelled():
        log.warning("the erasure of the archive of %s was interrupted: erase it again", owner)
        return
    error = task.exception()
    if error is not None and not isinstance(error, Refused):
        fault = None if isinstance(error, StorageError) else error
        log.error("the archive of %s cannot be erased: %s", owner, error, exc_info=fault)


def _sum(total: Removed, batch: Removed) -> Removed:
    return Removed(
        messages=total.messages + batch.messages,
        bytes=total.bytes + batch.bytes,
        done=batch.done,
    )
