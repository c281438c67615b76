"""What operators do with archives beside reading them, and what goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from component.core.access.served import ServedArchives
from component.core.archiving.writer import Queue
from component.core.background import Start, start_alone
from component.core.reading.export import Export
from component.core.reading.live import Followers
from component.core.retention.approval import Approval
from component.core.retention.erasure import Erasure, at_once
from component.core.retention.forecast import Forecasts
from component.core.retention.holds import Holds
from component.core.retention.janitor import Janitor, Timing
from component.core.retention.plan import RetentionDefaults
from component.core.retention.rules import Rules
from component.core.store_errors import translated
from storage.interface import Retention, Storage
from storage.rows import Totals, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """The parts that take away, keep back and write out."""

    retention: Retention
    served: ServedArchives
    usual: RetentionDefaults
    rules: Rules
    holds: Holds
    erasure: Erasure
    export: Export
    approval: Approval
    janitor: Janitor
    live: Followers

    async def usage(self, domain: str | None, after: str, limit: int) -> tuple[Usage, ...]:
        """Return what archives take up, by owner, behind `after`.

        Raises BadRequest, Overloaded.
        """
        with translated():
            return await self.retention.usage(domain=domain, after=after, limit=limit)

    async def usage_of(self, owner: str) -> Usage:
        """Return what one archive takes up; nothing where there is none. Raises Overloaded."""
        with translated():
            return await self.retention.usage_of(owner)

    async def totals(self) -> Totals:
        """Return what all archives take up together. Raises Overloaded."""
        with translated():
            return await self.retention.totals()


@asynccontextmanager
async def administering(
    storage: Storage,
    writer: Queue,
    served: ServedArchives,
    holds: Holds,
    usual: RetentionDefaults,
    timing: Timing,
    *,
    live: Followers,
    on_erasing: Sequence[Callable[[str], None]] = (),
    on_erased: Sequence[Callable[[str], None]] = (),
    start: Start = start_alone,
    spill_gone: Callable[[], Awaitable[None]] = at_once,
) -> AsyncIterator[Administration]:
    """Lend the parts, with the janitor at work; what is under way at the end is broken off.

    `on_erasing`, `on_erased` and `spill_gone` are those of `Erasure`. Raises StorageError.
    """
    rules = Rules(storage.rules)
    await rules.load()
    erasure = Erasure(
        storage.retention,
        writer,
        holds,
        batch=timing.batch,
        live=live,
        on_erasing=on_erasing,
        on_erased=(rules.forget, *on_erased),
        spill_gone=spill_gone,
    )
    approval = Approval(storage.rules, Forecasts(storage, rules, holds), usual)
    janitor = Janitor(storage, writer, rules, holds, usual, timing, approval)
    working = start("janitor", janitor.run())
    try:
        yield Administration(
            retention=storage.retention,
            served=served,
            usual=usual,
            rules=rules,
            holds=holds,
            erasure=erasure,
            export=Export(storage, writer, live),
            approval=approval,
            janitor=janitor,
            live=live,
        )
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await approval.close()
        await erasure.close()
