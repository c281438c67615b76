"""A limit on open streams, exports and polls, for each caller and for all together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiohttp import web

from component.core.errors import Overloaded, TooMany

Result = TypeVar("Result")


class TaskLimit:
    """Counts streams and exports, or polls, and runs them until the program stops."""

    def __init__(
        self, limit: int, limit_per_caller: int, subject: str = "streams and exports"
    ) -> None:
        """`limit` is for all callers together, `limit_per_caller` for each of them.

        `subject` names in errors what is counted.
        """
        self._subject = subject
        self._limit = limit
        self._limit_per_caller = limit_per_caller
        self._open: Counter[str] = Counter()  # by the name of the caller
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @property
    def count(self) -> int:
        """The number of streams and exports, or of polls, that are open."""
        return self._open.total()

    @contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Count one more stream or export of a caller while the context is open.

        Raises TooMany if the caller is at its limit, Overloaded if all together are.
        """
        if self._open[caller] >= self._limit_per_caller:
            raise TooMany(f"Too many {self._subject} of this caller are open: end one.")
        if self._is_closed or self._open.total() >= self._limit:
            raise Overloaded(f"Too many {self._subject} are open: try again later.")
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
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
