"""Turns of long reads: one at a time for each owner, a few in all, and a limited queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from storage.errors import Busy

#: Maximum number of long reads of one owner that run or wait.
OWNER_MAX = 8


@dataclass(slots=True)
class _Reads:
    """The long reads of one owner."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0  # running or waiting


class Turns:
    """Gives turns in the order of the requests."""

    def __init__(self, at_once: int, seconds: float) -> None:
        """`at_once` owners have a turn at the same time; a read waits `seconds` at most."""
        self._free = asyncio.Semaphore(at_once)
        self._seconds = seconds
        self._owners: dict[str, _Reads] = {}  # with a running or waiting read

    @asynccontextmanager
    async def of(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn of an owner, and keep it during the block. Raises Busy."""
        reads = self._owners.setdefault(owner, _Reads())
        if reads.count >= OWNER_MAX:
            raise Busy(f"{OWNER_MAX} long reads of this archive are running or waiting")
        reads.count += 1
        try:
            await self._wait(reads)
            try:
                yield
            finally:
                self._free.release()
                reads.lock.release()
        finally:
            reads.count -= 1
            if not reads.count:
                del self._owners[owner]

    async def _wait(self, reads: _Reads) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await reads.lock.acquire()
                try:
                    await self._free.acquire()
                except BaseException:
                    reads.lock.release()
                    raise
        except TimeoutError as error:
            raise Busy("other long reads took too long: this read got no turn") from error
