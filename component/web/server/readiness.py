"""Whether each part of the program can do its work."""

from __future__ import annotations

import asyncio
import logging
import time

from component.core.archiving.writer import Writer
from component.core.background import Background
from component.core.commands.link import Link
from component.core.retention.approval import Approval
from storage.errors import StorageError
from storage.interface import Storage

log = logging.getLogger(__name__)

#: Anyone may ask, and the store is written to find out: not more often than this.
REMEMBERED_SECONDS = 1.0

#: How long the store may take to say that it can be written.
PATIENCE_SECONDS = 5.0


class Readiness:
    """Asks the parts, remembering for a moment what the store said."""

    def __init__(
        self,
        storage: Storage,
        writer: Writer,
        link: Link,
        approval: Approval,
        background: Background,
    ) -> None:
        self._storage = storage
        self._writer = writer
        self._link = link
        self._approval = approval
        self._background = background
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._is_writable = False

    async def parts(self) -> dict[str, dict[str, object]]:
        """Return what is to be told of each part; `ok` is in all of them."""
        return {
            "storage": {"ok": await self._storage_ok()},
            "link": {"ok": self._link.is_up},
            "writer": {"ok": self._writer.is_healthy, "backlog": self._writer.backlog},
            # What waits for an operator keeps nothing from its work.
            "retention": {"ok": True, "confirmed": self._approval.unconfirmed is None},
            "tasks": {
                "ok": not self._background.failed and not self._background.ending.is_set(),
                "failed": list(self._background.failed),
            },
        }

    async def _storage_ok(self) -> bool:
        async with self._lock:
            if time.monotonic() - self._asked >= REMEMBERED_SECONDS:
                self._is_writable = await self._check()
                self._asked = time.monotonic()
            return self._is_writable

    async def _check(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._storage.check()
        except (StorageError, TimeoutError) as error:
            log.warning("the store cannot be written: %s", str(error) or "it does not answer")
            return False
        return True
