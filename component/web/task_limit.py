"""A limit on open streams and exports, for each caller and for all together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

from aiohttp import web

from component.core.errors import Overloaded, TooMany


class TaskLimit:
    """Counts streams and exports, and runs streams until the program stops."""

    def __init__(self, limit: int, limit_per_caller: int) -> None:
        """`limit` is for all callers together, `limit_per_caller` for each of them."""
        self._limit = limit
        self._limit_per_caller = limit_per_caller
        self._open: Counter[str] = Counter()  # by the name of the caller
        self._running: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Count one more stream or export of a caller while the context is open.

        Raises TooMany if the caller is at its limit, Overloaded if all together are.
        """
        if self._open[caller] >= self._limit_per_caller:
            raise TooMany("Too many streams and exports of this caller are open: end one.")
        if self._is_closed or self._open.total() >= self._limit:
            raise Overloaded("Too many streams and exports are open: try again later.")
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    def run(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a coroutine, at most until the program stops. Raises Overloaded while it stops."""
        if self._is_closed:
            coroutine.close()
            raise Overloaded
        task = asyncio.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self, _: web.Application) -> None:
        """Cancel all running coroutines, and accept no more."""
        self._is_closed = True
        for task in self._running:
            task.cancel()
