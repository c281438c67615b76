"""The connection by which one process knows of the others: its name, leases, and changes.

Leases and names are advisory locks of this connection, so PostgreSQL frees those of a process that
ends in any way. Changes are notifications: the stores send them in the transactions that make the
changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg

from storage.errors import Locked, Unavailable
from storage.postgres.engine import notifications
from storage.postgres.engine.connection import translated
from storage.postgres.engine.notifications import NOTIFY, payloads
from storage.processes import Change, Lease, OnChange, Topic

log = logging.getLogger(__name__)

#: Seconds between two attempts to get a lease, and between two signs of life of the connection.
LEASE_SECONDS, BEAT_SECONDS = 0.2, 3.0

#: Seconds that a statement of this connection may take; each of them is short.
STATEMENT_SECONDS = 5.0

#: Seconds between two notices that changes may be missed, while they cannot be heard.
MISSED_SECONDS = 2.0

#: The greatest number of changes that wait to be sent.
UNSENT_MAX = 1000

#: The first keys of advisory locks. "MUNI" in ASCII is the first key of the lock of the store.
STORE_LOCK = 1297436233
MIGRATION_LOCK, WRITE_LOCK, NAME_LOCK, LEASE_LOCK = range(STORE_LOCK + 1, STORE_LOCK + 5)

#: The second key is that of a text, in a schema.
_KEY = "hashtext(current_schema() || ' ' || CAST($1 AS text))"
LOCK_NAME = f"SELECT pg_try_advisory_lock({NAME_LOCK}, {_KEY})"
_TRY_LEASE = f"SELECT pg_try_advisory_lock({LEASE_LOCK}, {_KEY})"
_RELEASE = f"SELECT pg_advisory_unlock({LEASE_LOCK}, {_KEY})"

#: The sign of life also ends the transaction of a process that has stopped within it: PostgreSQL
#: itself ends only transactions between two statements, and not while it has a part of one.
HUNG_SECONDS = 10
_BEAT = f"""
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = {WRITE_LOCK}
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND CAST(objid AS bigint) = (CAST(hashtext(current_schema()) AS bigint) & 4294967295)
    AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - interval '{HUNG_SECONDS} s'
"""  # noqa: S608 - constant words

_CHANNEL = "SELECT 'muniment ' || hashtext(current_schema())"

#: Other processes. One whose name is not locked has ended.
_OTHERS = f"""
FROM processes
WHERE name <> $1 AND EXISTS (
    SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND classid = {NAME_LOCK}
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND CAST(objid AS bigint) = (
            CAST(hashtext(current_schema() || ' ' || processes.name) AS bigint) & 4294967295
        )
)
"""  # noqa: S608 - constant words

#: `connected_since` of a process without copies is -1 while it may have some to write, then 0.
_CONNECT = f"""
INSERT INTO processes (name, connected_since)
SELECT $1, least(CAST($2 AS bigint), min(connected_since))
{_OTHERS} AND connected_since > 0
ON CONFLICT (name) DO UPDATE SET connected_since = excluded.connected_since
RETURNING connected_since
"""

_DISCONNECT = "UPDATE processes SET connected_since = -1 WHERE name = $1"
_WRITTEN = "UPDATE processes SET connected_since = 0 WHERE name = $1"

_WRITING = f"SELECT name, connected_since > 0 {_OTHERS} AND connected_since <> 0"

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


class Session:
    """Implements `storage.processes.Processes`."""

    is_shared = True

    def __init__(self, name: str, connect: Connect, is_own: Callable[[int], bool]) -> None:
        """`name` is that of this process; `is_own` knows the connections of this process."""
        self._name = name
        self._connect_driver = connect
        self._is_own = is_own
        self._on_change: list[OnChange] = []
        self._driver: asyncpg.Connection[asyncpg.Record] | None = None
        self._ended = asyncio.Event()  #: set when the present connection has ended
        self._busy = asyncio.Lock()
        self._released = asyncio.Event()  #: set when another process has released a lease
        self._unsent: list[tuple[Topic, tuple[str, ...]]] = []
        self._wake = asyncio.Event()
        self._beat_at = 0.0
        self._keeping: asyncio.Task[None] | None = None
        self._leases: dict[str, asyncio.Lock] = {}
        self.channel = ""

    async def open(self) -> None:
        """Connect. Raises Locked if another process has the name, Unavailable."""
        await self._connect()
        # The process that had this name before may have been killed.
        await self.note_written()
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Close the connection, and so release the name and all leases."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self._ended.set()
        async with self._busy:
            driver, self._driver = self._driver, None
        if driver is not None:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await driver.close(timeout=2)

    def listen(self, on_change: OnChange) -> None:
        self._on_change.append(on_change)

    def send(self, topic: Topic, keys: Sequence[str]) -> None:
        if len(self._unsent) < UNSENT_MAX:
            self._unsent.append((topic, tuple(keys)))
            self._wake.set()

    @asynccontextmanager
    async def lease(self, name: str, taken: asyncio.Event | None = None) -> AsyncIterator[Lease]:
        # A connection has its own lock any number of times.
        async with self._leases.setdefault(name, asyncio.Lock()):
            lost = await self._acquire(name, taken or asyncio.Event())
            try:
                yield Lease(lost)
            finally:
                await self._release(name, lost)

    async def note_connected(self, at: int) -> int:
        rows = await self._fetch(_CONNECT, self._name, at)
        return int(rows[0][0])

    async def note_disconnected(self) -> None:
        # After the end of the connection the name is not locked, which is enough.
        if self._driver is not None:
            await self._fetch(_DISCONNECT, self._name)

    async def note_written(self) -> None:
        if self._driver is not None:
            await self._fetch(_WRITTEN, self._name)

    async def others(self) -> dict[str, bool]:
        return {row[0]: row[1] for row in await self._fetch(_WRITING, self._name)}

    async def _connect(self) -> None:
        with translated():
            driver = await self._connect_driver()
        try:
            with translated():
                if not await driver.fetchval(LOCK_NAME, self._name):
                    raise Locked(f"another process uses the database as {self._name}")
                self.channel = await driver.fetchval(_CHANNEL)
                await driver.add_listener(self.channel, self._hear)
        except BaseException:
            driver.terminate()
            raise
        self._ended = ended = asyncio.Event()
        driver.add_termination_listener(lambda _: ended.set())
        self._driver = driver

    async def _keep(self) -> None:
        """Keep the connection, and send what waits, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await _first_of(self._wake, self._ended)
            self._wake.clear()
            if not self._ended.is_set():
                await self._send()
            if self._ended.is_set():
                await self._reconnect()

    async def _send(self) -> None:
        """Send what waits, and now and then a sign of life."""
        unsent, self._unsent = self._unsent, []
        now = asyncio.get_running_loop().time()
        try:
            if now - self._beat_at >= BEAT_SECONDS:
                self._beat_at = now
                if await self._fetch(_BEAT):
                    log.warning("ended a transaction in which another process hung")
            for topic, keys in unsent:
                for payload in payloads(topic, keys):
                    await self._fetch(NOTIFY, self.channel, payload)
        except Unavailable as error:
            log.warning("the other processes cannot be heard: %s", error)
            self._ended.set()

    async def _reconnect(self) -> None:
        while True:
            self._tell(Change(Topic.MISSED))
            try:
                await self._connect()
            except (Unavailable, Locked) as error:
                log.warning("the other processes cannot be heard yet: %s", error)
                await asyncio.sleep(MISSED_SECONDS)
            else:
                log.info("the other processes can be heard again")
                self._tell(Change(Topic.MISSED))
                return

    async def _fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        async with self._busy:
            driver = self._driver
            if driver is None or driver.is_closed():
                raise Unavailable("the store cannot be reached")
            try:
                with translated():
                    return await driver.fetch(sql, *values, timeout=STATEMENT_SECONDS)
            except Unavailable:
                # Whether the statement has taken a lease is not known.
                driver.terminate()
                raise

    async def _acquire(self, name: str, taken: asyncio.Event) -> asyncio.Event:
        """Wait for a lease; return an event that is set when the lease is lost.

        `taken` is set if another process has it.
        """
        while True:
            ended = self._ended
            with suppress(Unavailable):
                [[is_ours]] = await self._fetch(_TRY_LEASE, name)
                if is_ours and ended is self._ended:
                    return ended
                if not is_ours:
                    taken.set()
            self._released.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LEASE_SECONDS):
                    await self._released.wait()

    async def _release(self, name: str, lost: asyncio.Event) -> None:
        if lost.is_set():
            return
        with suppress(Unavailable):
            await self._fetch(_RELEASE, name)
            await self._fetch(NOTIFY, self.channel, *payloads(Topic.RELEASED, [name]))

    def _hear(self, _: object, process: int, channel: str, payload: object) -> None:
        driver = self._driver
        if self._is_own(process) or (driver is not None and driver.get_server_pid() == process):
            return
        change = notifications.change(str(payload))
        if change is None:
            log.debug("ignored a change that this version does not know")
        elif change.topic is Topic.RELEASED:
            self._released.set()
        else:
            self._tell(change)

    def _tell(self, change: Change) -> None:
        for on_change in self._on_change:
            try:
                on_change(change)
            except Exception:
                log.exception("a change of another process is not taken over: %s", change.topic)


async def _first_of(*events: asyncio.Event) -> None:
    """Return when one of the events is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
