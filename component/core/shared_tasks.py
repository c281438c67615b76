"""Long work for several callers: one task for each key, for which all its callers wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


class SharedTasks(Generic[Key, Result]):
    """Runs at most one task per key. A caller that stops waiting does not stop the task."""

    def __init__(self, on_end: Callable[[Key, asyncio.Task[Result]], None]) -> None:
        """`on_end` is called with each task that ends, to log errors that no caller awaits."""
        self._tasks: dict[Key, asyncio.Task[Result]] = {}
        self._on_end = on_end

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self._tasks)

    def is_running(self, key: Key) -> bool:
        """Return whether a task of this key is not done yet."""
        task = self._tasks.get(key)
        return task is not None and not task.done()

    async def run(
        self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]], *, wait_seconds: float
    ) -> Result | None:
        """Return the result of the running task of a key; if none runs, start one with `work`.

        Returns None if the task is not done after `wait_seconds`; it continues. Raises the errors
        of the task.
        """
        task = self._tasks.get(key)
        if task is None or task.done():
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._end(key, done))
        finished, _ = await asyncio.wait([task], timeout=wait_seconds)
        return task.result() if finished else None

    async def close(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, key: Key, task: asyncio.Task[Result]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        self._on_end(key, task)
