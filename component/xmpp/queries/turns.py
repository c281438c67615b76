"""Limits on the queries that are answered at once and that wait, per asker and in all.

Only one query of each asker is answered at a time. So the many queries of one asker wait for each
other, and other askers wait for at most one of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from component.core.errors import Overloaded

#: Queries of all askers that are answered at once.
AT_ONCE = 32

#: Queries that are answered or wait: of one asker, and of all.
PENDING_EACH_MAX = 32
PENDING_MAX = 512

#: How long a query waits for its turn. ejabberd gives up on it after 32 seconds.
WAIT_SECONDS = 15.0


class Turns:
    """Gives each query a turn, or refuses it."""

    def __init__(self, *, timeout: float = WAIT_SECONDS) -> None:
        """`timeout` is how long a query waits for its turn, in seconds."""
        self._timeout = timeout
        self._all = asyncio.Semaphore(AT_ONCE)
        #: by asker, as long as a query of that asker is pending
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._pending: Counter[str] = Counter()
        self._timeouts: set[asyncio.Timeout] = set()  # of those that are pending
        self.idle = asyncio.Event()  #: set while no query is answered or waits
        self.idle.set()

    @property
    def pending(self) -> int:
        """How many queries are answered or wait."""
        return self._pending.total()

    def refuse(self) -> None:
        """Have all queries refused that are answered or wait."""
        for timeout in self._timeouts:
            if not timeout.expired():
                timeout.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def of(self, asker: str) -> AsyncIterator[None]:
        """Hold a turn. Raises Overloaded: if too many wait, after the timeout, or by `refuse`."""
        if self._pending[asker] >= PENDING_EACH_MAX:
            raise Overloaded("you have too many queries waiting: ask again when they are answered")
        if self.pending >= PENDING_MAX:
            raise Overloaded
        own = self._own.setdefault(asker, asyncio.Lock())
        self._pending[asker] += 1
        self.idle.clear()
        try:
            async with asyncio.timeout(self._timeout) as timeout:
                self._timeouts.add(timeout)
                try:
                    async with own, self._all:
                        timeout.reschedule(None)
                        yield
                finally:
                    self._timeouts.discard(timeout)
        except TimeoutError as error:
            raise Overloaded from error
        finally:
            self._pending[asker] -= 1
            if not self._pending[asker]:
                del self._pending[asker]
            if not self._pending:
                self.idle.set()
