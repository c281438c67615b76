"""Removing what operators say: all of an archive, or one message of it. Never under a hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from component.core.archiving.writer import Queue
from component.core.errors import Refused
from component.core.reading.follow import Followers
from component.core.retention.holds import Holds
from component.core.retention.traces import remove_traces
from component.core.store_errors import translated
from storage.errors import StorageError
from storage.interface import Retention
from storage.rows import Removed

log = logging.getLogger(__name__)

#: What of the time that somebody waits an erasure has to be finished in, to be answered so.
PATIENCE = 0.8


async def at_once() -> None:
    """Return: there is nothing to wait for."""


class Erasure:
    """Erases archives, each in the background of whoever asked for it."""

    def __init__(
        self,
        keeping: Retention,
        writer: Queue,
        holds: Holds,
        *,
        live: Followers,
        batch: int,
        on_erasing: Sequence[Callable[[str], None]] = (),
        on_erased: Sequence[Callable[[str], None]] = (),
        spill_gone: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        """`batch` is in messages.

        `on_erasing` hear of each owner, and put what they still hold for its archive. `on_erased`
        hear of each owner that is to be forgotten.

        `spill_gone` returns when nothing can come back any more that was kept at the last end.
        """
        self._keeping = keeping
        self._writer = writer
        self._holds = holds
        self._batch = batch
        self._live = live
        self._on_erasing = tuple(on_erasing)
        self._on_erased = tuple(on_erased)
        self._spill_gone = spill_gone
        self._running: dict[str, asyncio.Task[Removed]] = {}
        #: What was asked for since a running erasure began, by owner: whether to scrub.
        self._asked: dict[str, bool] = {}

    async def erase(self, owner: str, *, patience: float, scrub: bool = True) -> Removed:
        """Remove an archive and what else names its owner, with all that was taken before.

        Returns what went, or that it is not done after `patience` seconds: then it goes on, and is
        done once more for all who call meanwhile, who wait for the end of that. Without `scrub`
        traces are left in unused parts of the files until the store is written anew the next time.
        Raises Conflict, Overloaded.
        """
        self._holds.refuse_if_held(owner)
        task = self._running.get(owner)
        if task is None or task.done():
            task = self._running[owner] = asyncio.create_task(self._run(owner, scrub))
            task.add_done_callback(lambda done: self._end(owner, done))
        else:
            self._asked[owner] = scrub or self._asked.get(owner, False)
        finished, _ = await asyncio.wait([task], timeout=patience)
        with translated():
            return task.result() if finished else Removed(done=False)

    def is_erasing(self, owner: str) -> bool:
        """Whether an archive is being erased."""
        task = self._running.get(owner)
        return task is not None and not task.done()

    async def delete(self, owner: str, id: str) -> Removed:
        """Empty one message. Raises Conflict, ItemNotFound, Overloaded."""
        await self._writer.settled(owner)
        self._holds.refuse_if_held(owner)
        with translated():
            return await self._keeping.blank(owner, id)

    async def close(self) -> None:
        """Stop what is under way; an archive that is half erased can be erased again."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, owner: str, scrub: bool) -> Removed:
        """Erase, and again what came before the calls that came meanwhile."""
        try:
            total = await self._erase(owner, scrub)
            while owner in self._asked:
                total = _sum(total, await self._erase(owner, self._asked.pop(owner)))
            return total
        finally:
            self._asked.pop(owner, None)

    async def _erase(self, owner: str, scrub: bool) -> Removed:
        for put in self._on_erasing:
            put(owner)
        await self._spill_gone()
        await self._writer.settled(owner)
        self._holds.refuse_if_held(owner)
        with self._live.erasing(owner):
            total = await self._take_away(owner)
        for forget in self._on_erased:
            forget(owner)
        if scrub:
            await remove_traces(self._keeping, self._writer)
        return total

    async def _take_away(self, owner: str) -> Removed:
        total = Removed(done=False)
        while not total.done:
            # It may have come meanwhile.
            self._holds.refuse_if_held(owner)
            total = _sum(total, await self._keeping.erase(owner, limit=self._batch))
        return total

    def _end(self, owner: str, task: asyncio.Task[Removed]) -> None:
        if self._running.get(owner) is task:
            del self._running[owner]
        if task.cancelled():
            log.warning("the erasure of the archive of %s is broken off: erase it again", owner)
            return
        error = task.exception()
        if error is not None and not isinstance(error, Refused):
            fault = None if isinstance(error, StorageError) else error
            log.error("the archive of %s cannot be erased: %s", owner, error, exc_info=fault)


def _sum(before: Removed, step: Removed) -> Removed:
    return Removed(
        messages=before.messages + step.messages,
        bytes=before.bytes + step.bytes,
        done=step.done,
    )
