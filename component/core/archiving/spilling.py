"""What the store does not take at the end of the program, kept until the next start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from component.core.archiving.writer import Queue
from component.core.errors import Overloaded
from storage.errors import StorageError
from storage.rows import NewMessage
from storage.spill import Spill, Spilled

log = logging.getLogger(__name__)

#: How long what was kept waits for rosters to be readable, by which it may not be wanted.
PUT_SECONDS = 10.0


class Lost(Exception):
    """Messages are neither in the store nor beside it."""


class SpillRecovery:
    """What was kept at the last end, on its way into the store; and what is left at this one."""

    def __init__(self, spill: Spill | None, queue: Queue) -> None:
        """`queue` asks whether it is wanted: that may not have been decided yet."""
        self._spill = spill
        self._queue = queue
        self._spilled = Spilled()
        self._is_put = asyncio.Event()
        self._is_written = asyncio.Event()
        self._is_removed = spill is None

    async def read(self) -> None:
        """Read what was kept. Raises StorageError."""
        if self._spill is None:
            return
        self._spilled = await asyncio.to_thread(self._spill.read)
        if self._spilled.damaged:
            log.error(
                "%d rows of %s are damaged and left out", self._spilled.damaged, self._spill.path
            )
            # Before anything is kept anew in its place.
            await asyncio.to_thread(self._spill.copy_damaged)

    def put(self) -> None:
        """Queue what was kept, unless it is already."""
        kept, self._spilled = self._spilled, Spilled()
        if kept.work and self._spill is not None:
            log.warning("%d rows of %s are written now", len(kept.work), self._spill.path)
            self._queue.put(kept.work)
        self._is_put.set()

    async def run(self) -> None:
        """Remove what was kept once it is durable, and keep room for the next time.

        It is queued after a while, whatever keeps others from having it `put` before. What the
        store has already it leaves out, so this may be broken off at any time.
        """
        if self._spilled.work:
            with suppress(TimeoutError):
                async with asyncio.timeout(PUT_SECONDS):
                    await self._is_put.wait()
        self.put()
        try:
            await self._queue.wait_durable()
            self._is_written.set()
            await self._remove()
            if self._spill is not None:
                await asyncio.to_thread(self._spill.keep_room)
        except Overloaded:
            return  # It is kept anew, with all that came since.
        except StorageError as error:
            log.warning("on a full disk messages may be lost at the end: %s", error)

    async def wait_removed(self) -> None:
        """Wait until nothing that was kept can come back. Raises StorageError."""
        await self._is_written.wait()
        await self._remove()

    async def keep(self, left: Sequence[NewMessage]) -> None:
        """Keep what is left until the next start. Raises Lost where that cannot be done."""
        if self._spill is None:
            raise Lost(f"{len(left)} rows are lost: the store is in memory")
        try:
            await asyncio.to_thread(self._spill.write, left)
        except StorageError as error:
            raise Lost(f"{len(left)} rows are lost: {error}") from error
        log.warning("%d rows are kept in %s until the next start", len(left), self._spill.path)

    async def _remove(self) -> None:
        if self._spill is not None and not self._is_removed:
            await asyncio.to_thread(self._spill.remove)
            self._is_removed = True
