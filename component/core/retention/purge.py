"""Deletes messages over the retention limits, in batches; it may be stopped after any batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from component.core.retention.freed import Freed
from component.core.retention.holds import Holds
from component.core.retention.plan import (
    PAGE_SIZE,
    RetentionDefaults,
    peer_cutoffs,
    plan_for,
    usage_pages,
)
from component.core.retention.rules import Rules
from component.core.wording import count_of
from component.core.xml.times import now
from storage.interface import Storage
from storage.rows import Cutoff, Removed, Usage

#: Between two batches, so that messages are written.
PAUSE_SECONDS = 0.01

_NOTHING = Removed()


class State(StrEnum):
    """State of a purge."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  #: the next purge tries again
    STOPPED = "stopped"  #: the program was stopped
    UNCONFIRMED = "unconfirmed"  #: nothing was deleted: an operator has to confirm the limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a purge."""

    by: str  #: name of the operator, or SCHEDULE
    owner: str | None = None  #: None: all archives
    state: State = State.RUNNING
    started: int  #: microseconds since the epoch
    finished: int | None = None
    archives: int = 0  #: archives to purge
    archives_done: int = 0
    messages: int = 0  #: deleted or blanked
    blanked: int = 0  #: of these, blanked: their rows stay, without content
    old_ids: int = 0  #: deleted with imported messages
    bytes: int = 0  #: XML of these messages
    freed: Freed | None = None  #: None until the end, and of a purge that has failed
    error: str = ""

    @property
    def summary(self) -> str:
        """What the purge has done, for the logs."""
        parts = [f"{self.state}, {count_of(self.messages - self.blanked, 'message')} deleted"]
        if self.blanked:
            parts.append(f"{self.blanked:,} blanked")
        if self.old_ids:
            parts.append(f"{count_of(self.old_ids, 'old id')} deleted")
        if self.freed is not None:
            parts += self.freed.parts
        return "; ".join([", ".join(parts), *filter(None, [self.error])])


class Purge:
    """One purge of all archives, or of one."""

    def __init__(
        self,
        storage: Storage,
        rules: Rules,
        holds: Holds,
        defaults: RetentionDefaults,
        *,
        batch: int,
        by: str,
        owner: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        """`batch` is the number of messages per transaction.

        `page_size` is the number of archives, or of conversations of one archive, read at once.
        """
        self._page_size = page_size
        self._storage = storage
        self._rules = rules
        self._holds = holds
        self._defaults = defaults
        self._batch = batch
        self.progress = Progress(by=by, owner=owner, started=now())

    async def run(self) -> None:
        """Bring the archives within their limits. Raises StorageError."""
        async for usage in self._archives():
            await self._keep_within_limits(usage)
            self._count(archives_done=1)

    def note_freed(self, freed: Freed) -> None:
        """Record what the purge has freed."""
        self.progress = replace(self.progress, freed=freed)

    def finish(self, state: State, error: str = "") -> None:
        """Record the state in which the purge ended."""
        self.progress = replace(self.progress, state=state, finished=now(), error=error)

    async def _archives(self) -> AsyncIterator[Usage]:
        if self.progress.owner is not None:
            self._count(archives=1)
            yield await self._storage.retention.usage_of(self.progress.owner)
            return
        async for page in usage_pages(self._storage.retention, self._page_size):
            self._count(archives=len(page))
        async for page in usage_pages(self._storage.retention, self._page_size):
            for usage in page:
                yield usage

    async def _keep_within_limits(self, usage: Usage) -> None:
        owner = usage.owner
        plan = plan_for(owner, self._rules.of(owner), self._defaults, now())
        # True for most archives, and it saves all further queries.
        if plan.is_satisfied_by(usage):
            return
        retention = self._storage.retention
        delete_oldest = partial(retention.delete_oldest, owner, plan.archive, limit=self._batch)
        await self._delete_in_batches(owner, plan.archive, delete_oldest)
        cutoffs = peer_cutoffs(self._storage.archive, owner, plan, self._page_size)
        async for peer, cutoff in cutoffs:
            blank_oldest = partial(retention.blank_oldest, owner, peer, cutoff, limit=self._batch)
            await self._delete_in_batches(owner, cutoff, blank_oldest, is_blanked=True)

    async def _delete_in_batches(
        self,
        owner: str,
        cutoff: Cutoff,
        delete_batch: Callable[[], Coroutine[None, None, Removed]],
        *,
        is_blanked: bool = False,
    ) -> None:
        is_done = cutoff == Cutoff()
        while not is_done and not self._holds.is_held(owner):
            removed = await delete_batch()
            self._count(removed, is_blanked=is_blanked)
            is_done = removed.done
            if removed.messages:
                await asyncio.sleep(PAUSE_SECONDS)

    def _count(
        self,
        removed: Removed = _NOTHING,
        *,
        is_blanked: bool = False,
        archives: int = 0,
        archives_done: int = 0,
    ) -> None:
        progress = self.progress
        self.progress = replace(
            progress,
            archives=progress.archives + archives,
            archives_done=progress.archives_done + archives_done,
            messages=progress.messages + removed.messages,
            blanked=progress.blanked + (removed.messages if is_blanked else 0),
            old_ids=progress.old_ids + removed.old_ids,
            bytes=progress.bytes + removed.bytes,
        )
