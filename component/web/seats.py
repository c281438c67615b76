"""So many streams at once and no more, all of which end when the program does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from aiohttp import web

from component.core.errors import Overloaded


class Seats:
    """Runs what goes on until its caller leaves, or the program stops."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def check(self) -> None:
        """Raise Overloaded when no seat is free."""
        if self._is_closed or len(self._taken) >= self._most:
            raise Overloaded("Too many streams: try again later.")

    def take(self, running: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something. Raises Overloaded when no seat is free."""
        try:
            self.check()
        except Overloaded:
            running.close()
            raise
        task = asyncio.create_task(running)
        self._taken.add(task)
        task.add_done_callback(self._taken.discard)
        return task

    async def close(self, _: web.Application) -> None:
        """End all that runs; nothing is run any more."""
        self._is_closed = True
        for task in self._taken:
            task.cancel()
