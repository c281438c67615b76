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
from component.core.retention.forecast import Forecast, Forecasts
from component.core.retention.holds import Holds
from component.core.retention.janitor import Janitor, Timing
from component.core.retention.plan import RetentionDefaults
from component.core.retention.purge import Progress
from component.core.retention.rules import Rules
from component.core.store_errors import translated
from component.core.xml.times import format_if_known
from storage.interface import Retention, Storage, Totals
from storage.rows import Usage

Fields = dict[str, str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAdmin:
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
async def open_archive_admin(
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
) -> AsyncIterator[ArchiveAdmin]:
    """Lend the parts, with the janitor at work; what is under way at the end is broken off.

    `on_erasing`, `on_erased` and `spill_gone` are those of `Erasure`. Raises StorageError.
    """
    rules = Rules(storage.records)
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
    approval = Approval(storage.records, Forecasts(storage, rules, holds), usual)
    janitor = Janitor(storage, writer, rules, holds, usual, timing, approval)
    working = start("janitor", janitor.run())
    try:
        yield ArchiveAdmin(
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


def usage_fields(usage: Usage) -> Fields:
    """Return what one archive takes up."""
    return {
        "owner": usage.owner,
        "messages": usage.messages,
        "bytes": usage.bytes,
        "oldest": format_if_known(usage.oldest),
        "newest": format_if_known(usage.newest),
    }


def forecast_fields(forecast: Forecast) -> Fields:
    """Return what a purge would take away."""
    return {
        "archives": forecast.archives,
        "messages": forecast.going.messages,
        "oldest": format_if_known(forecast.going.oldest),
        "newest": format_if_known(forecast.going.newest),
    }


def purge_fields(purge: Progress) -> Fields:
    """Return how far a purge is."""
    return {
        "by": purge.by,
        "owner": purge.owner,
        "state": purge.state.value,
        "started": format_if_known(purge.started),
        "finished": format_if_known(purge.finished),
        "archives": purge.archives,
        "archives_done": purge.archives_done,
        "messages": purge.messages,
        "bytes": purge.bytes,
        "error": purge.error or None,
    }
