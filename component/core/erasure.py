"""Removing what operators say: all of an archive, or one message of it. Never under a hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from component.core.errors import Refused
from component.core.holds import Holds
from component.core.live import Live
from component.core.refusals import refusals
from component.core.traces import remove_traces
from component.core.writer import Queue
from storage.errors import StorageError
from storage.interface import Keeping
from storage.rows import Shed

log = logging.getLogger(__name__)

#: What of the time that somebody waits an erasure has to be finished in, to be answered so.
PATIENCE = 0.8


async def at_once() -> None:
    """Return: there is nothing to wait for."""


class Erasure:
    """Erases archives, each in the background of whoever asked for it."""

    def __init__(
        self,
        keeping: Keeping,
        writer: Queue,
        holds: Holds,
        *,
        live: Live,
        batch: int,
        on_erased: Sequence[Callable[[str], None]] = (),
        spill_gone: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        """`on_erased` hear of each owner that is to be forgotten; `batch` is in messages.

        `spill_gone` returns when nothing can come back any more that was kept at the last end.
        """
        self._keeping = keeping
        self._writer = writer
        self._holds = holds
        self._batch = batch
        self._live = live
        self._on_erased = tuple(on_erased)
        self._spill_gone = spill_gone
        self._running: dict[str, asyncio.Task[Shed]] = {}

    async def erase(self, owner: str, *, patience: float, scrub: bool = True) -> Shed:
        """Remove an archive and what else names its owner, with all that was taken before.

        Returns what went, or that it is not done after `patience` seconds: then it goes on, and a
        second call waits for its end. Without `scrub` traces are left in unused parts of the
        files until the store is written anew the next time. Raises Conflict, Overloaded.
        """
        self._holds.refuse_if_held(owner)
        task = self._running.get(owner)
        if task is None:
            task = self._running[owner] = asyncio.create_task(self._erase(owner, scrub))
            task.add_done_callback(lambda done: self._end(owner, done))
        finished, _ = await asyncio.wait([task], timeout=patience)
        with refusals():
            return task.result() if finished else Shed(done=False)

    async def delete(self, owner: str, id: str) -> Shed:
        """Empty one message. Raises Conflict, ItemNotFound, Overloaded."""
        await self._writer.settled(owner)
        self._holds.refuse_if_held(owner)
        with refusals():
            return await self._keeping.cut_one(owner, id)

    async def close(self) -> None:
        """Stop what is under way; an archive that is half erased can be erased again."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _erase(self, owner: str, scrub: bool) -> Shed:
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

    async def _take_away(self, owner: str) -> Shed:
        total = Shed(done=False)
        while not total.done:
            # It may have come meanwhile.
            self._holds.refuse_if_held(owner)
            step = await self._keeping.erase(owner, limit=self._batch)
            total = Shed(
                messages=total.messages + step.messages,
                bytes=total.bytes + step.bytes,
                done=step.done,
            )
        return total

    def _end(self, owner: str, task: asyncio.Task[Shed]) -> None:
        del self._running[owner]
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Refused):
            fault = None if isinstance(error, StorageError) else error
            log.error("the archive of %s cannot be erased: %s", owner, error, exc_info=fault)
