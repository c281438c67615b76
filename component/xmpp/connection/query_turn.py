"""The connection for queries, which one of several processes has at a time.

ejabberd delegates a namespace to the connection that came first. When that leaves, ejabberd
forgets the delegation, and gives it to no other connection that is there already. So a process
connects for queries when it gets the lease, which PostgreSQL frees as soon as a process ends. If
ejabberd does not know yet that the other connection has left, the new one gets no delegation, and
connects anew.

While the store cannot be reached, nobody has the lease. The process that had it keeps the
connection and refuses queries, so that they are not `service-unavailable`, as if there were no
archive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Protocol

from component.xmpp.connection.connector import Connector
from storage.processes import Lease, Processes

log = logging.getLogger(__name__)

LEASE = "queries"

#: Seconds until a connection without delegation is closed, and how often it is made anew at once.
DELEGATION_SECONDS, ATTEMPTS = 0.3, 5

#: How often it is made anew if some virtual hosts delegate and others do not: most likely ejabberd
#: does not have these.
ATTEMPTS_FOR_OTHERS = 1

#: Seconds until a process that could not connect tries again: the shortest and the longest pause.
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.2, 10.0

#: Seconds for which a connection is kept without the lease. PostgreSQL takes no longer to notice
#: that it has lost a process, and to give the lease to another one.
KEEP_SECONDS = 60.0

#: Seconds that a process which leaves has for the answers to queries, and for refusals.
ANSWER_SECONDS, REFUSE_SECONDS = 1.0, 0.2


class Delegations(Protocol):
    """Knows which virtual hosts delegate queries to the present connection."""

    async def wait_delegated(self) -> None:
        """Return when all of them do."""
        ...

    def is_any_delegated(self) -> bool:
        """Return whether one of them does; ejabberd may not have all that are configured."""
        ...


class Pending(Protocol):
    """The queries that have come and are not answered yet."""

    @property
    def idle(self) -> asyncio.Event:
        """Set while there are none."""
        ...

    def refuse(self) -> None:
        """Have all of them refused now."""
        ...


class QueryTurn:
    """Waits for the lease, then keeps the connection for queries."""

    def __init__(
        self,
        processes: Processes,
        connector: Connector,
        delegations: Delegations,
        pending: Pending,
        *,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        """`pending` are the queries that come by this connection."""
        self._processes = processes
        self.connector = connector
        self._delegations = delegations
        self._pending = pending
        self._keep_seconds = keep_seconds
        self.has_turn = False  #: whether this process is the one that answers queries

    async def run(self) -> None:
        """Take turns until cancelled; then answer the queries that have come, and leave."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                was_connected = await self._take_turn()
                pause = (
                    FIRST_PAUSE_SECONDS if was_connected else min(2 * pause, LAST_PAUSE_SECONDS)
                )
                await asyncio.sleep(pause)
        finally:
            await self._leave()

    async def _take_turn(self) -> bool:
        """Wait for the lease, and stay connected; return whether there was a connection.

        If the lease is lost, the connection stays.
        """
        acquired, taken = asyncio.Event(), asyncio.Event()
        keeping = asyncio.create_task(self._keep(acquired, taken))
        try:
            async with self._processes.lease(LEASE, taken) as lease:
                acquired.set()
                await keeping
                was_connected = False
                try:
                    was_connected = await self._stay(lease)
                finally:
                    if not (was_connected and lease.lost.is_set()):
                        # Before the next process gets the lease.
                        await self._leave()
                return was_connected
        finally:
            keeping.cancel()

    async def _keep(self, acquired: asyncio.Event, taken: asyncio.Event) -> None:
        """Keep a connection without the lease, until another process has it, or for some time."""
        if not self.connector.is_up:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._keep_seconds):
                await _first_of(acquired.wait(), taken.wait(), self.connector.wait_lost())
        if not acquired.is_set():
            await self._leave()

    async def _stay(self, lease: Lease) -> bool:
        """Be connected as long as the lease lasts; return whether there was a connection."""
        self.has_turn = True
        if not await self._connect(lease):
            log.warning("no connection for queries: %s", self.connector.reason)
            return False
        await _first_of(self.connector.wait_lost(), lease.lost.wait())
        if lease.lost.is_set():
            log.warning("queries go on without the lease: the store cannot be reached")
        else:
            log.warning("the connection for queries ends: %s", self.connector.reason)
        return True

    async def _connect(self, lease: Lease) -> bool:
        """Connect until ejabberd delegates; return whether there is a connection."""
        if self.connector.is_up:
            return True  # kept
        attempts, pause = 0, FIRST_PAUSE_SECONDS
        while not lease.lost.is_set() and await self.connector.connect():
            with suppress(TimeoutError):
                async with asyncio.timeout(DELEGATION_SECONDS):
                    await self._delegations.wait_delegated()
                return True
            attempts += 1
            if attempts > ATTEMPTS_FOR_OTHERS and self._delegations.is_any_delegated():
                return True
            # Another connection still has the namespace, as far as ejabberd knows.
            await self._close()
            if attempts == ATTEMPTS:
                log.warning("ejabberd delegates no queries to the connection for queries")
            if attempts >= ATTEMPTS:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)
        return False

    async def _leave(self) -> None:
        """End the turn, and close the connection."""
        self.has_turn = False
        if self.connector.is_up:
            await self._close()

    async def _close(self) -> None:
        """Answer or refuse all queries that have come, and close the connection."""
        idle = self._pending.idle
        for seconds in (ANSWER_SECONDS, REFUSE_SECONDS):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await idle.wait()
            # Without an answer, a user would wait until the server gives up.
            self._pending.refuse()
        await self.connector.close()


async def _first_of(*events: Coroutine[Any, Any, object]) -> None:
    """Return when one of them does."""
    tasks = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
