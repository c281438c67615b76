"""Takes away what is beyond its bounds, in batches of which each can be the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from component.core.retention.holds import Holds
from component.core.retention.plan import RetentionDefaults, cuts, plan_for, usage_pages
from component.core.retention.rules import Rules
from component.core.xml.times import now
from storage.interface import Storage
from storage.rows import Cutoff, Removed, Usage

#: Between two batches, for whoever else writes.
PAUSE_SECONDS = 0.01


class State(StrEnum):
    """How a purge is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  #: the next one tries again
    STOPPED = "stopped"  #: with the program
    UNCONFIRMED = "unconfirmed"  #: nothing was taken: its bounds want to be confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a purge is."""

    by: str  #: who ordered it
    owner: str | None = None  #: None: all archives
    state: State = State.RUNNING
    started: int  #: microseconds since the epoch
    finished: int | None = None
    archives: int = 0  #: how many there are to look at
    archives_done: int = 0
    messages: int = 0  #: taken away
    bytes: int = 0
    error: str = ""


class Purge:
    """One run through all archives, or through one."""

    def __init__(
        self,
        storage: Storage,
        rules: Rules,
        holds: Holds,
        usual: RetentionDefaults,
        *,
        batch: int,
        by: str,
        owner: str | None = None,
    ) -> None:
        """`batch` is how many messages are taken away at once."""
        self._storage = storage
        self._rules = rules
        self._holds = holds
        self._usual = usual
        self._batch = batch
        self.progress = Progress(by=by, owner=owner, started=now())

    async def run(self) -> None:
        """Take away what is to go. Raises StorageError."""
        async for usage in self._usage():
            await self._keep_within_bounds(usage)
            self._count(archives_done=1)

    def finish(self, state: State, error: str = "") -> None:
        """Note how it has ended."""
        self.progress = replace(self.progress, state=state, finished=now(), error=error)

    async def _usage(self) -> AsyncIterator[Usage]:
        if self.progress.owner is not None:
            self._count(archives=1)
            yield await self._storage.retention.usage_of(self.progress.owner)
            return
        async for page in usage_pages(self._storage.retention):
            self._count(archives=len(page))
        async for page in usage_pages(self._storage.retention):
            for usage in page:
                yield usage

    async def _keep_within_bounds(self, usage: Usage) -> None:
        owner = usage.owner
        plan = plan_for(owner, self._rules.of(owner), self._usual, now())
        # Mostly nothing is to go.
        if plan.removes_nothing_of(usage):
            return
        keeping = self._storage.retention
        shed = partial(keeping.delete_oldest, owner, plan.whole, limit=self._batch)
        await self._take(owner, plan.whole, shed)
        async for peer, limits in cuts(self._storage.archive, owner, plan):
            cut = partial(keeping.blank_oldest, owner, peer, limits, limit=self._batch)
            await self._take(owner, limits, cut)

    async def _take(
        self, owner: str, limits: Cutoff, step: Callable[[], Coroutine[None, None, Removed]]
    ) -> None:
        is_done = limits == Cutoff()
        while not is_done and not self._holds.is_held(owner):
            shed = await step()
            self._count(messages=shed.messages, bytes=shed.bytes)
            is_done = shed.done
            if shed.messages:
                await asyncio.sleep(PAUSE_SECONDS)

    def _count(
        self, *, archives: int = 0, archives_done: int = 0, messages: int = 0, bytes: int = 0
    ) -> None:
        self.progress = replace(
            self.progress,
            archives=self.progress.archives + archives,
            archives_done=self.progress.archives_done + archives_done,
            messages=self.progress.messages + messages,
            bytes=self.progress.bytes + bytes,
        )
