"""The tasks that run as long as the program. If one of them ends early, the program ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Self

log = logging.getLogger(__name__)

TaskBody = Coroutine[Any, Any, None]
StartTask = Callable[[str, TaskBody], asyncio.Task[None]]


def start_alone(name: str, work: TaskBody) -> asyncio.Task[None]:
    """Start a task whose end does not end the program."""
    return asyncio.create_task(work, name=name)


class Background:
    """Holds the tasks, and decides when the program has to end.

    The starter of a task also ends it. A task that ends after `ending` was set is no failure.
    """

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        """`on_end` is called once, when the program has to end."""
        self._group = asyncio.TaskGroup()
        self._on_end = on_end
        #: set when the program has to end
        self.ending = asyncio.Event()
        #: names of the tasks that ended early
        self.failed: list[str] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        # No task raises an error, so an error of the body is not wrapped into an exception group.
        await self._group.__aexit__(None, None, None)

    def start(self, name: str, work: TaskBody) -> asyncio.Task[None]:
        """Start a task; if it ends early, the program ends."""
        return self._group.create_task(self._watch(name, work), name=name)

    def end(self) -> None:
        """Let the program end."""
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
