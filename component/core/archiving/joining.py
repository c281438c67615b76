"""Keep the order of archives when a process joins others that get copies of the same messages.

A process that has just connected has nothing to write, while another one may still have older
messages in its queue, in its socket, or in the server's. The first process that writes a message
gives it its place. So a process that joins holds back what it receives until the others have
written what they received before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from component.core.errors import Refused
from component.core.xml.times import now
from storage.errors import StorageError
from storage.processes import Processes

log = logging.getLogger(__name__)

#: Seconds until the others are asked: the server gives a copy to one process after the other.
SETTLE_SECONDS = 0.05

#: Seconds after which the others are not waited for any longer: one of them may hang.
PATIENCE_SECONDS = 5.0

#: Seconds between two looks whether the others still run.
LOOK_SECONDS = 0.2


class HeldQueue(Protocol):
    """A queue that can hold back what it gets; `Writer` implements it."""

    def hold_back(self) -> None:
        """Hold back what comes from now on."""
        ...

    def release(self) -> None:
        """Write what was held back."""
        ...

    async def wait_durable_before_hold(self) -> None:
        """Wait until what came before `hold_back` is durable. Raises Refused."""
        ...


class Questions(Protocol):
    """Asks other processes through the server, behind the copies that it sends them."""

    async def has_written(self, process: str, joined_at: int, *, patience: float) -> bool:
        """Return whether a process says that it has written what it got before this question.

        It answers only when it has. `joined_at` is when the asker joined, in microseconds.
        """
        ...


class Joining:
    """Holds back what this process receives until the others have written what came before."""

    def __init__(
        self,
        name: str,
        processes: Processes,
        queue: HeldQueue,
        wait_durable: Callable[[], Awaitable[None]],
        questions: Questions,
        *,
        on_join: Callable[[int], None] = lambda _: None,
        clock: Callable[[], int] = now,
        settle_seconds: float = SETTLE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`name` is that of this process.

        `wait_durable` returns when all messages that have arrived are stored, and raises Refused.
        `on_join` is called with the time at which this process joins, in microseconds.
        """
        self._name = name
        self._on_join = on_join
        self._processes = processes
        self._queue = queue
        self._wait_durable = wait_durable
        self._questions = questions
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._patience_seconds = patience_seconds
        self._joined_at = 0
        self._task: asyncio.Task[None] | None = None
        self._waits_for: tuple[str, ...] = ()

    @property
    def is_joining(self) -> bool:
        """Whether messages are held back."""
        return self._task is not None and not self._task.done()

    def connected(self) -> None:
        """Hold back what this process receives from now on, if there may be others."""
        if not self._processes.is_shared:
            return
        # What an earlier connection has received and not released yet stays held back.
        self._queue.hold_back()
        if self._task is not None:
            self._task.cancel()
        self._joined_at = self._clock()
        self._on_join(self._joined_at)
        self._task = asyncio.get_running_loop().create_task(self._join())

    async def wait_written(self, asker: str, joined_at: int) -> None:
        """Return when a process that joined at a time (microseconds) need not wait for this one.

        That is when all that this process got before this call is durable. Two processes that
        join at once ask each other: the earlier one gets itself all that the later one holds back,
        so it has to wait only for what the later one got before. Raises Refused.
        """
        if self.is_joining and (joined_at, asker) < (self._joined_at, self._name):
            await self._queue.wait_durable_before_hold()
        else:
            await self._wait_durable()

    async def _join(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await asyncio.sleep(self._settle_seconds)
            await self._wait_for_others()
            log.info("joined the other processes after %.2f s", loop.time() - began)
        except TimeoutError:
            log.warning(
                "messages may be out of order in archives: within %g seconds no answer from %s",
                self._patience_seconds,
                ", ".join(self._waits_for),
            )
        except Exception:
            log.exception("the other processes cannot be asked what they have written")
        # Not if this task is cancelled: then another connection holds back.
        self._queue.release()

    async def _wait_for_others(self) -> None:
        """Return when the others have written what they got. Raises TimeoutError."""
        asked: dict[str, asyncio.Task[bool]] = {}
        try:
            # While the store cannot be read, it cannot be written: nothing is held up.
            others = await self._others()
            async with asyncio.timeout(self._patience_seconds):
                while waiting := [name for name in others if not _is_true(asked.get(name))]:
                    self._waits_for = tuple(waiting)
                    for name in waiting:
                        if others[name] and (name not in asked or asked[name].done()):
                            asked[name] = asyncio.create_task(self._ask(name))
                    await _any_change([asked[name] for name in waiting if name in asked])
                    others = await self._others()
        finally:
            for task in asked.values():
                task.cancel()

    async def _others(self) -> dict[str, bool]:
        """Return the processes that may have something to write, and whether they get copies."""
        while True:
            try:
                return await self._processes.others()
            except StorageError as error:
                log.warning("the other processes cannot be found: %s", error)
                await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self, name: str) -> bool:
        """Ask a process; return whether it has written all, after a pause if it has not."""
        try:
            if await self._questions.has_written(
                name, self._joined_at, patience=self._patience_seconds
            ):
                return True
        except Refused as error:
            log.debug("%s does not say what it has written: %s", name, error.message)
        await asyncio.sleep(LOOK_SECONDS)
        return False


def _is_true(task: asyncio.Task[bool] | None) -> bool:
    return task is not None and task.done() and task.result()


async def _any_change(tasks: list[asyncio.Task[bool]]) -> None:
    """Return when one of the tasks ends, LOOK_SECONDS later at the latest."""
    running = [task for task in tasks if not task.done()]
    if running:
        await asyncio.wait(running, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(LOOK_SECONDS)
