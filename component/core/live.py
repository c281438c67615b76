"""Who waits for news of an archive, and is told once they are durable.

Only that there is something new is told, never what: whoever is woken reads the archive from where
it left off, so nothing can be missed or come twice, however slow the reader is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Live:
    """Wakes followers of archives."""

    def __init__(self) -> None:
        self._followers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, owners: Collection[str]) -> None:
        """Wake those that follow any of these archives."""
        if not self._followers:
            return
        for owner in owners:
            for event in self._followers.get(owner, ()):
                event.set()

    @contextmanager
    def follow(self, owner: str) -> Iterator[asyncio.Event]:
        """Lend an event that is set at each change; clear it before reading."""
        event = asyncio.Event()
        self._followers[owner].add(event)
        try:
            yield event
        finally:
            self._followers[owner].discard(event)
            if not self._followers[owner]:
                del self._followers[owner]
