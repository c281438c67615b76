"""Turns of long reads: one at a time for each owner, a few for all, and a bound on who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from storage.errors import Busy

#: The greatest number of long reads of one owner that are under way or wait.
OWNER_MAX = 8


@dataclass(slots=True)
class _Owner:
    """The long reads of one owner."""

    free: asyncio.Lock = field(default_factory=asyncio.Lock)
    reads: int = 0  # under way or waiting


class Turns:
    """Gives turns in the order in which they are asked for."""

    def __init__(self, at_once: int, seconds: float) -> None:
        """`at_once` owners have a turn at the same time; a read waits `seconds` at most."""
        self._free = asyncio.Semaphore(at_once)
        self._seconds = seconds
        self._owners: dict[str, _Owner] = {}  # of those with a read under way or waiting

    @asynccontextmanager
    async def of(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn of an owner, and keep it. Raises Busy."""
        reads = self._owners.setdefault(owner, _Owner())
        if reads.reads >= OWNER_MAX:
            raise Busy(f"{OWNER_MAX} long reads of this archive are under way or wait")
        reads.reads += 1
        try:
            await self._wait(reads)
            try:
                yield
            finally:
                self._free.release()
                reads.free.release()
        finally:
            reads.reads -= 1
            if not reads.reads:
                del self._owners[owner]

    async def _wait(self, owner: _Owner) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await owner.free.acquire()
                try:
                    await self._free.acquire()
                except BaseException:
                    owner.free.release()
                    raise
        except TimeoutError as error:
            raise Busy("there was no turn for a long read") from error
