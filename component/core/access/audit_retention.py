"""Deletes old calls of ejabberd's API from the audit log, because they are many."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from component.core.xml.times import now
from storage.errors import StorageError
from storage.interface import AuditLog

log = logging.getLogger(__name__)

_DAY = 24 * 60 * 60 * 1_000_000  # microseconds

#: Entries of one step; messages are written between two steps.
BATCH = 1000

#: Seconds between two steps.
PAUSE_SECONDS = 0.05


class AuditRetention:
    """Keeps the calls of some days; all other entries stay for ever."""

    def __init__(
        self,
        audit_log: AuditLog,
        *,
        days: int,
        sweep_seconds: float,
        batch: int = BATCH,
        clock: Callable[[], int] = now,
    ) -> None:
        """`days` is the age of the calls that are deleted, `sweep_seconds` the interval."""
        self._audit_log = audit_log
        self._days = days
        self._sweep_seconds = sweep_seconds
        self._batch = batch
        self._clock = clock
        #: The number of the last entry of a full step: those up to it stay or are deleted already.
        self._examined = 0

    async def run(self) -> None:
        """Delete now, and then once in `sweep_seconds`, until cancelled."""
        while True:
            try:
                await self.delete_old_calls()
            except StorageError as error:
                log.error("old calls stay in the audit log until the next attempt: %s", error)
            await asyncio.sleep(self._sweep_seconds)

    async def delete_old_calls(self) -> None:
        """Delete all calls that are old enough. Raises StorageError."""
        before = self._clock() - self._days * _DAY
        while True:
            last = await self._audit_log.delete_oldest_calls(
                before=before, after=self._examined, limit=self._batch
            )
            if last is None:
                return
            self._examined = last
            await asyncio.sleep(PAUSE_SECONDS)
