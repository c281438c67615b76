"""So many answers that go on at once and no more: so many of one caller, and of all together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager

from aiohttp import web

from component.core.errors import Overloaded, TooMany


class TaskLimit:
    """Counts streams and exports, and runs streams until the program stops."""

    def __init__(self, limit: int, limit_each: int) -> None:
        """`limit` holds for all callers together, `limit_each` for every single one."""
        self._limit = limit
        self._limit_each = limit_each
        self._taken: Counter[str] = Counter()  # by the name of the caller
        self._running: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @contextmanager
    def taken(self, caller: str) -> Iterator[None]:
        """Give a caller a seat.

        Raises TooMany when it has its share, Overloaded when none is free.
        """
        if self._taken[caller] >= self._limit_each:
            raise TooMany("Too many streams and exports of this caller are open: end one.")
        if self._is_closed or self._taken.total() >= self._limit:
            raise Overloaded("Too many streams and exports are open: try again later.")
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]

    def run(self, running: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run what goes on, until the program stops. Raises Overloaded when it does already."""
        if self._is_closed:
            running.close()
            raise Overloaded
        task = asyncio.create_task(running)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self, _: web.Application) -> None:
        """End all that runs; nothing is run any more."""
        self._is_closed = True
        for task in self._running:
            task.cancel()
