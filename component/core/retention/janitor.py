"""Runs purges by a schedule, and on the order of an operator."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from component.core.access.audit import Audit
from component.core.archiving.writer import Queue
from component.core.errors import Conflict, Refused
from component.core.retention.approval import Approval
from component.core.retention.erasure import release, scrub
from component.core.retention.freed import freed_between
from component.core.retention.holds import Holds
from component.core.retention.plan import RetentionDefaults
from component.core.retention.purge import Progress, Purge, State
from component.core.retention.rules import Rules
from component.core.store_errors import translated
from storage.errors import StorageError
from storage.interface import Storage

log = logging.getLogger(__name__)

#: The operator's name in purges by the schedule.
SCHEDULE = "schedule"

#: The lease of the process that purges.
LEASE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The interval of a janitor's purges, and the number of messages per transaction."""

    sweep_seconds: float = 3600.0  #: between two purges
    batch: int = 1000  #: messages per transaction


class Janitor:
    """Runs one purge at a time. After a failure of the store the next purge tries again."""

    def __init__(
        self,
        storage: Storage,
        queue: Queue,
        rules: Rules,
        holds: Holds,
        defaults: RetentionDefaults,
        timing: Timing,
        approval: Approval,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._storage = storage
        self._queue = queue
        self._approval = approval
        self._rules = rules
        self._holds = holds
        self._defaults = defaults
        self._timing = timing
        self._ordered = asyncio.Event()
        self._purge: Purge | None = None
        self.last: Progress | None = None  #: of the purge that ended last

    @property
    def defaults(self) -> RetentionDefaults:
        """The limits of the configuration."""
        return self._defaults

    @property
    def current(self) -> Progress | None:
        """Progress of the running purge."""
        return None if self._purge is None else self._purge.progress

    def replace_limits(self, defaults: RetentionDefaults) -> None:
        """Apply other limits of the configuration, from the next purge on."""
        self._defaults = defaults
        self._approval.replace_limits(defaults)

    async def order(
        self, by: str, owner: str | None = None, *, is_confirmed: bool = False
    ) -> Progress:
        """Start a purge of one archive, or of all if `owner` is None.

        With `is_confirmed` the operator confirms the limits, even if they delete much. Raises
        Conflict, Overloaded.
        """
        self._refuse_if_busy()
        if not is_confirmed:
            await self._approval.require(owner)
        elif owner is None:
            with translated():
                await self._approval.confirm()
        self._refuse_if_busy()
        self._purge = self._new(by, owner)
        self._ordered.set()
        return self._purge.progress

    async def run(self) -> None:
        """Purge all archives now and then once in `sweep_seconds`, until cancelled."""
        while True:
            self._purge = self._purge or self._new(SCHEDULE)
            self._ordered.clear()
            try:
                await self._run(self._purge)
            finally:
                self.last, self._purge = self._purge.progress, None
            await self._report(self.last)
            try:
                async with asyncio.timeout(self._timing.sweep_seconds):
                    await self._ordered.wait()
            except TimeoutError:
                continue

    def _refuse_if_busy(self) -> None:
        if self._purge is not None:
            raise Conflict("A purge is running: wait for its end.")

    def _new(self, by: str, owner: str | None = None) -> Purge:
        return Purge(
            self._storage,
            self._rules,
            self._holds,
            self._defaults,
            batch=self._timing.batch,
            by=by,
            owner=owner,
        )

    async def _run(self, purge: Purge) -> None:
        try:
            if purge.progress.by == SCHEDULE and not await self._approval.is_granted():
                await self._clean(is_ordered=False)
                purge.finish(State.UNCONFIRMED, "The limits have to be confirmed.")
                return
            before = await self._storage.retention.space()
            async with self._storage.processes.lease(LEASE):
                await purge.run()
            is_rewritten = await self._clean(is_ordered=purge.progress.by != SCHEDULE)
            after = await self._storage.retention.space()
            purge.note_freed(freed_between(before, after, is_rewritten=is_rewritten))
        except asyncio.CancelledError:
            purge.finish(State.STOPPED)
            raise
        except StorageError as error:
            log.error("archives cannot be purged, the next purge tries again: %s", error)
            purge.finish(State.FAILED, "The store cannot be used: the log says why.")
        except Exception:
            log.exception("a purge has failed")
            purge.finish(State.FAILED, "An internal error occurred: the log has the details.")
        else:
            purge.finish(State.DONE)

    async def _clean(self, *, is_ordered: bool) -> bool:
        """Remove traces, and give space back; return whether the store was rewritten."""
        retention, is_rewritten = self._storage.retention, False
        if is_ordered:
            is_rewritten = await scrub(retention, self._queue)
        else:
            await retention.scrub_index()
        await release(retention)
        return is_rewritten

    async def _report(self, purge: Progress) -> None:
        """Write what a purge has done to the log, and to the audit log if it was ordered."""
        if purge.messages or purge.error:
            log.info("a purge of %s: %s", purge.owner or "all archives", purge.summary)
        if purge.by == SCHEDULE:
            return
        try:
            await self._audit.record(purge.by, "purged", purge.owner or "*", purge.summary)
        except Refused as refused:
            log.error("the result of a purge is missing in the audit log: %s", refused.message)
