"""The connection for queries, which one of several processes has at a time.

ejabberd delegates a namespace to the connection that came first. When that leaves, ejabberd
forgets the delegation, and gives it to no other connection that is there already. So a process
connects for queries when it gets the lease, which PostgreSQL frees as soon as a process ends. If
ejabberd does not know yet that the other connection has left, the new one gets no delegation, and
connects anew.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from component.xmpp.connection.connector import Connector
from storage.processes import Lease, Processes

log = logging.getLogger(__name__)

LEASE = "queries"

#: Seconds until a connection without delegation is closed, and how often it is made anew at once.
DELEGATION_SECONDS, ATTEMPTS = 0.3, 5

#: Seconds until a process that could not connect tries again: the shortest and the longest pause.
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.2, 10.0


class Delegations(Protocol):
    """Knows which virtual hosts delegate queries to the present connection."""

    async def wait_delegated(self) -> None:
        """Return when all of them do."""
        ...

    def is_any_delegated(self) -> bool:
        """Return whether one of them does; ejabberd may not have all that are configured."""
        ...


class QueryTurn:
    """Waits for the lease, then keeps the connection for queries."""

    def __init__(
        self,
        processes: Processes,
        connector: Connector,
        delegations: Delegations,
        idle: asyncio.Event,
    ) -> None:
        """`idle` is set while all queries that came are answered."""
        self._processes = processes
        self.connector = connector
        self._delegations = delegations
        self._idle = idle
        self.has_turn = False  #: whether this process is the one that answers queries

    async def run(self) -> None:
        """Take turns until cancelled; then answer the queries that have come, and leave."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            async with self._processes.lease(LEASE) as lease:
                self.has_turn = True
                try:
                    was_connected = await self._keep(lease)
                finally:
                    self.has_turn = False
                    await self._leave()
            pause = FIRST_PAUSE_SECONDS if was_connected else min(2 * pause, LAST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _keep(self, lease: Lease) -> bool:
        """Stay connected as long as the lease lasts; return whether there was a connection."""
        if not await self._connect(lease):
            log.warning("no connection for queries: %s", self.connector.reason)
            return False
        lost = asyncio.ensure_future(self.connector.wait_lost())
        ended = asyncio.ensure_future(lease.lost.wait())
        try:
            await asyncio.wait([lost, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            ended.cancel()
        log.warning("the connection for queries ends: %s", self.connector.reason)
        return True

    async def _connect(self, lease: Lease) -> bool:
        """Connect until ejabberd delegates; return whether there is a connection."""
        attempts, pause = 0, FIRST_PAUSE_SECONDS
        while not lease.lost.is_set() and await self.connector.connect():
            with suppress(TimeoutError):
                async with asyncio.timeout(DELEGATION_SECONDS):
                    await self._delegations.wait_delegated()
                return True
            attempts += 1
            if attempts >= ATTEMPTS and self._delegations.is_any_delegated():
                return True
            # Another connection still has the namespace, as far as ejabberd knows.
            await self.connector.close()
            if attempts == ATTEMPTS:
                log.warning("ejabberd delegates no queries to the connection for queries")
            if attempts >= ATTEMPTS:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)
        return False

    async def _leave(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._idle.wait()
        await self.connector.close()
