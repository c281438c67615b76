"""The operations on archives other than reading them, and the janitor that purges archives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from component.core.access.audit import Audit
from component.core.access.served import ServedArchives
from component.core.archiving.writer import Queue
from component.core.background import StartTask, start_alone
from component.core.reading.export import Export
from component.core.reading.follow import Followers
from component.core.reading.personal_data import PersonalDataExport
from component.core.retention.approval import Approval
from component.core.retention.erasure import Erasure, no_spill
from component.core.retention.forecast import Forecast, Forecasts
from component.core.retention.holds import Holds
from component.core.retention.janitor import Janitor, Timing
from component.core.retention.plan import RetentionDefaults
from component.core.retention.purge import Progress
from component.core.retention.rules import Rules
from component.core.store_errors import translated
from component.core.xml.times import format_if_known
from storage.interface import Retention, Storage
from storage.rows import Cutoff, Totals, Usage, UsageOrder

Fields = dict[str, str | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveAdmin:
    """The parts that delete, hold and export archives."""

    retention: Retention
    served: ServedArchives
    rules: Rules
    holds: Holds
    erasure: Erasure
    export: Export
    personal_data: PersonalDataExport
    approval: Approval
    janitor: Janitor
    followers: Followers

    @property
    def defaults(self) -> RetentionDefaults:
        """The limits of archives that have no rule."""
        return self.janitor.defaults

    async def usage(self, domain: str | None, after: str, limit: int) -> tuple[Usage, ...]:
        """Return the sizes of archives, ordered by owner, from the first one after `after`.

        Raises BadRequest, Overloaded.
        """
        with translated():
            return await self.retention.usage(domain=domain, after=after, limit=limit)

    async def ranked_usage(
        self, order: UsageOrder, part: str, after: str | None, limit: int
    ) -> tuple[Usage, ...]:
        """Return the sizes of archives in an order, of owners with `part` in their JIDs.

        `after` is the last owner of the page before. Raises BadRequest, Overloaded.
        """
        with translated():
            return await self.retention.ranked_usage(order, part=part, after=after, limit=limit)

    async def usage_of(self, owner: str) -> Usage:
        """Return the size of one archive, 0 if there is none. Raises Overloaded."""
        with translated():
            return await self.retention.usage_of(owner)

    async def count_of_conversation(self, owner: str, peer: str) -> int:
        """Return the number of messages with a peer that have content. Raises Overloaded."""
        with translated():
            total = await self.retention.over_limit(owner, Cutoff(messages=0), peer=peer)
        return total.messages

    async def totals(self) -> Totals:
        """Return the number of archives and their total size. Raises Overloaded."""
        with translated():
            return await self.retention.totals()


@asynccontextmanager
async def open_archive_admin(
    storage: Storage,
    writer: Queue,
    served: ServedArchives,
    holds: Holds,
    defaults: RetentionDefaults,
    timing: Timing,
    *,
    audit: Audit,
    followers: Followers,
    before_erase: Sequence[Callable[[str], None]] = (),
    after_erase: Sequence[Callable[[str], None]] = (),
    start: StartTask = start_alone,
    wait_for_spill: Callable[[], Awaitable[None]] = no_spill,
) -> AsyncIterator[ArchiveAdmin]:
    """Yield the parts while the janitor runs; at the end cancel all running tasks.

    `before_erase`, `after_erase` and `wait_for_spill` are those of `Erasure`. Raises StorageError.
    """
    rules = Rules(storage.rules)
    await rules.load()
    erasure = Erasure(
        storage.retention,
        writer,
        holds,
        batch=timing.batch,
        followers=followers,
        before_erase=before_erase,
        after_erase=(rules.discard, *after_erase),
        wait_for_spill=wait_for_spill,
    )
    approval = Approval(storage.rules, Forecasts(storage, rules, holds), defaults)
    janitor = Janitor(storage, writer, rules, holds, defaults, timing, approval, audit)
    export = Export(storage, writer, followers)
    running = start("janitor", janitor.run())
    try:
        yield ArchiveAdmin(
            retention=storage.retention,
            served=served,
            rules=rules,
            holds=holds,
            erasure=erasure,
            export=export,
            personal_data=PersonalDataExport(storage, export),
            approval=approval,
            janitor=janitor,
            followers=followers,
        )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await approval.close()
        await erasure.close()


def usage_fields(usage: Usage) -> Fields:
    """Return the size of one archive, by the names of HTTP and commands."""
    return {
        "owner": usage.owner,
        "messages": usage.messages,
        "bytes": usage.bytes,
        "oldest": format_if_known(usage.oldest),
        "newest": format_if_known(usage.newest),
    }


def forecast_fields(forecast: Forecast) -> Fields:
    """Return a forecast, by the names of HTTP and commands."""
    return {
        "archives": forecast.archives,
        "messages": forecast.over_limit.messages,
        "oldest": format_if_known(forecast.over_limit.oldest),
        "newest": format_if_known(forecast.over_limit.newest),
    }


def purge_fields(purge: Progress) -> Fields:
    """Return the progress of a purge, by the names of HTTP and commands."""
    freed = purge.freed
    return {
        "by": purge.by,
        "owner": purge.owner,
        "state": purge.state.value,
        "started": format_if_known(purge.started),
        "finished": format_if_known(purge.finished),
        "archives": purge.archives,
        "archives_done": purge.archives_done,
        "messages": purge.messages,
        "deleted": purge.messages - purge.blanked,
        "blanked": purge.blanked,
        "old_ids": purge.old_ids,
        "bytes": purge.bytes,
        "freed_bytes": None if freed is None else freed.freed,
        "released_bytes": None if freed is None else freed.released,
        "free_bytes": None if freed is None else freed.free,
        "remedy": None if freed is None else freed.remedy or None,
        "error": purge.error or None,
    }
