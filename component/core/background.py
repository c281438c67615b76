"""The tasks that live as long as the program. One that ends before it was told to ends it all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Self

log = logging.getLogger(__name__)

TaskBody = Coroutine[Any, Any, None]
StartTask = Callable[[str, TaskBody], asyncio.Task[None]]


def start_alone(name: str, work: TaskBody) -> asyncio.Task[None]:
    """Start a task that nobody watches."""
    return asyncio.create_task(work, name=name)


class Background:
    """Holds the tasks, and says when the program has to end.

    Whoever starts a task also ends it: once the program is `ending` none is missed.
    """

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        """`on_end` hears once that the program has to end."""
        self._group = asyncio.TaskGroup()
        self._on_end = on_end
        #: set when the program has to end
        self.ending = asyncio.Event()
        #: names of the tasks that have ended before
        self.failed: list[str] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        # No task raises anything, so what else went wrong is not wrapped into a group of errors.
        await self._group.__aexit__(None, None, None)

    def start(self, name: str, work: TaskBody) -> asyncio.Task[None]:
        """Start a task."""
        return self._group.create_task(self._watch(name, work), name=name)

    def end(self) -> None:
        """Have the program end."""
        if not self.ending.is_set():
            self.ending.set()
            self._on_end()

    async def _watch(self, name: str, work: TaskBody) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if self.ending.is_set():
                raise
            log.critical("%s was cancelled, so the program ends", name)
        except Exception:
            log.critical("%s has failed, so the program ends", name, exc_info=True)
        else:
            if self.ending.is_set():
                return
            log.critical("%s has ended by itself, so the program ends", name)
        self.failed.append(name)
        self.end()
