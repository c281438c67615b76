"""Since when copies of stanzas are received without a break, by this process or another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from component.core.errors import Refused
from storage.errors import StorageError
from storage.processes import Processes

log = logging.getLogger(__name__)


class Coverage:
    """Notes the connections of this process among those of the others."""

    def __init__(
        self,
        processes: Processes,
        on_begin: Callable[[int], None],
        wait_durable: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_begin` is called after each connect with the time of the last break.

        `wait_durable` returns when all messages that have arrived are stored, and raises Refused.
        """
        self._processes = processes
        self._on_begin = on_begin
        self._wait_durable = wait_durable
        self._is_connected = False
        self._noting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, at: int) -> None:
        """Note that this process receives copies since a time (microseconds)."""
        self._is_connected = True
        if self._processes.is_shared:
            self._start(self._note_connected(at))
        else:
            self._on_begin(at)

    def disconnected(self) -> None:
        """Note that this process receives no copies any more."""
        self._is_connected = False
        if self._processes.is_shared:
            self._start(self._note_disconnected())

    async def _note_connected(self, at: int) -> None:
        async with self._noting:
            try:
                since = await self._processes.note_connected(at)
            except StorageError as error:
                log.warning("the other processes cannot be asked since when they run: %s", error)
                since = at
        self._on_begin(since)

    async def _note_disconnected(self) -> None:
        async with self._noting:
            try:
                await self._processes.note_disconnected()
            except StorageError as error:
                log.warning("the other processes cannot be told of a lost connection: %s", error)
        with suppress(Refused):
            await self._wait_durable()
            await self._note_written()

    async def _note_written(self) -> None:
        async with self._noting:
            if self._is_connected:
                return
            try:
                await self._processes.note_written()
            except StorageError as error:
                log.warning("the other processes cannot be told that all is written: %s", error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
