"""Whether each part of the program can do its work."""

from __future__ import annotations

import asyncio
import logging
import time

from component.core.archiving.writer import Writer
from component.core.background import Background
from component.core.commands.link import Link
from component.core.doctor.finding import Severity
from component.core.doctor.server import Grants
from component.core.retention.approval import Approval
from storage.errors import StorageError
from storage.interface import Storage

log = logging.getLogger(__name__)

#: Seconds for which an answer of the store counts: anybody may ask, and each check writes to it.
REMEMBERED_SECONDS = 1.0

#: Seconds after which a write counts as failed.
TIMEOUT_SECONDS = 5.0


class Readiness:
    """Asks the parts, and remembers for a moment whether the store can be written."""

    def __init__(
        self,
        storage: Storage,
        writer: Writer,
        link: Link,
        grants: Grants,
        approval: Approval,
        background: Background,
    ) -> None:
        self._storage = storage
        self._writer = writer
        self._link = link
        self._grants = grants
        self._approval = approval
        self._background = background
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._is_writable = False

    async def parts(self) -> dict[str, dict[str, object]]:
        """Return the state of each part by name; each has `ok`."""
        return {
            "storage": {"ok": await self._storage_ok()},
            "link": {"ok": self._link.is_up},
            "grants": self._granted(),
            "writer": {"ok": self._writer.is_healthy, "backlog": self._writer.backlog},
            # Unconfirmed limits stop the purges, and nothing else.
            "retention": {"ok": True, "confirmed": self._approval.unconfirmed is None},
            "tasks": {
                "ok": not self._background.failed and not self._background.ending.is_set(),
                "failed": list(self._background.failed),
            },
        }

    def _granted(self) -> dict[str, object]:
        """Return the faults of ejabberd. A warning keeps nothing else from working."""
        faults = [finding for finding in self._grants.findings if finding.is_fault]
        return {
            "ok": all(fault.severity is not Severity.ERROR for fault in faults),
            "missing": [fault.fields for fault in faults],
        }

    async def _storage_ok(self) -> bool:
        async with self._lock:
            if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                self._is_writable = await self._check()
                self._checked_at = time.monotonic()
            return self._is_writable

    async def _check(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._storage.check()
        except (StorageError, TimeoutError) as error:
            log.warning("the store cannot be written: %s", str(error) or "it does not answer")
            return False
        return True
