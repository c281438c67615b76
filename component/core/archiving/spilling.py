"""Spilled messages: those that the store did not take at the end of the program."""

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

#: Seconds that spilled messages wait for rosters, which may decide that they are not archived.
PUT_SECONDS = 10.0


class Lost(Exception):
    """Messages are neither in the store nor in the spill file."""


class SpillRecovery:
    """Brings spilled messages into the store, and spills those that are left at the end."""

    def __init__(
        self, spill: Spill | None, queue: Queue, *, put_seconds: float = PUT_SECONDS
    ) -> None:
        """`queue` filters by preferences, because spilled messages may not be filtered yet.

        `put_seconds` is how long `run` waits for `put`.
        """
        self._spill = spill
        self._queue = queue
        self._put_seconds = put_seconds
        self._spilled = Spilled()
        self._is_put = asyncio.Event()
        self._is_written = asyncio.Event()
        self._is_removed = spill is None

    async def read(self) -> None:
        """Read the spilled messages. Raises StorageError."""
        if self._spill is None:
            return
        self._spilled = await asyncio.to_thread(self._spill.read)
        if self._spilled.damaged:
            log.error(
                "%d rows of %s are damaged: Muniment skips them",
                *(self._spilled.damaged, self._spill.path),
            )
            # A later spill overwrites the file.
            await asyncio.to_thread(self._spill.copy_damaged)

    def put(self) -> None:
        """Queue the spilled messages, unless they are queued already."""
        messages, self._spilled = self._spilled.messages, Spilled()
        if messages and self._spill is not None:
            log.warning("writing %d rows of %s", len(messages), self._spill.path)
            self._queue.put(messages)
        self._is_put.set()

    async def run(self) -> None:
        """Remove the spill file once its messages are durable, and reserve room for the next.

        If `put` is not called in time, the messages are queued all the same. The store
        skips messages that it has already, so this may be cancelled at any time.
        """
        if self._spilled.messages:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._put_seconds):
                    await self._is_put.wait()
        self.put()
        try:
            await self._queue.wait_durable()
            self._is_written.set()
            await self._remove()
            if self._spill is not None:
                await asyncio.to_thread(self._spill.reserve_space)
        except Overloaded:
            return  # They are spilled again, with all later messages.
        except StorageError as error:
            log.warning("the spill file cannot be prepared, so messages may be lost: %s", error)

    async def wait_removed(self) -> None:
        """Wait until no spilled message can come back. Raises StorageError."""
        await self._is_written.wait()
        await self._remove()

    async def keep(self, left: Sequence[NewMessage]) -> None:
        """Spill the messages that are left until the next start. Raises Lost if that fails."""
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
