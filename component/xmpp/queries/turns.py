"""Turns: how many queries are under way, and how many wait, of each asker and of all.

An asker has one query under way at a time, so whoever asks much waits for his own queries and
keeps nobody else waiting for more than one of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from component.core.errors import Overloaded

#: Queries of all askers under way at once.
AT_ONCE = 32

#: Queries that are under way or wait: of one asker, and of all.
PENDING_EACH_MAX = 32
PENDING_MAX = 512

#: How long a query waits for its turn. ejabberd gives it up after 32 seconds.
PATIENCE_SECONDS = 15.0


class Turns:
    """Gives each query its turn, or refuses it."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        #: by asker, as long as a query of his is pending
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._pending: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """How many queries are under way or wait."""
        return self._pending.total()

    @asynccontextmanager
    async def of(self, asker: str) -> AsyncIterator[None]:
        """Hold a turn. Raises Overloaded: at once where too many wait, or when it is too late."""
        if self._pending[asker] >= PENDING_EACH_MAX:
            raise Overloaded("you have too many queries waiting: ask again when they are answered")
        if self.pending >= PENDING_MAX:
            raise Overloaded
        own = self._own.setdefault(asker, asyncio.Lock())
        self._pending[asker] += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience, own, self._all:
                patience.reschedule(None)
                yield
        except TimeoutError as error:
            raise Overloaded from error
        finally:
            self._pending[asker] -= 1
            if not self._pending[asker]:
                del self._pending[asker]
