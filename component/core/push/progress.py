"""Saves the progress of deliveries: those that wait while another write commits share the next."""

from __future__ import annotations

import asyncio

from storage.interface import PushStore
from storage.rows import PushProgress


class ProgressWriter:
    """Saves progress durably, in few transactions."""

    def __init__(self, store: PushStore, *, dead_letters_max: int) -> None:
        self._store = store
        self._dead_letters_max = dead_letters_max
        self._pending: dict[str, PushProgress] = {}  # by subscription, each of which has one task
        self._writing = asyncio.Lock()

    async def save(self, progress: PushProgress) -> None:
        """Save the changes of one delivery. Raises StorageError."""
        self._pending[progress.id] = progress
        async with self._writing:
            pending, self._pending = self._pending, {}
            if not pending:
                return
            try:
                await self._store.save(
                    list(pending.values()), dead_letters_max=self._dead_letters_max
                )
            except BaseException:
                # The others write their own: newer progress of a subscription replaces this one.
                self._pending = {**pending, **self._pending}
                self._pending.pop(progress.id, None)
                raise
