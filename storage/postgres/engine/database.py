"""A PostgreSQL database: one connection that writes, and pools of connections that read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from storage.errors import Busy, Locked, StorageError, TookTooLong, Unavailable
from storage.postgres.engine.connection import Driver, PostgresConnection, translated
from storage.postgres.engine.servers import ServerConnection, Servers
from storage.postgres.engine.session import (
    LOCK_NAME,
    MIGRATION_LOCK,
    STORE_LOCK,
    WRITE_LOCK,
    Session,
)
from storage.postgres.options import PostgresOptions
from storage.processes import Alone, Processes
from storage.rows import Space
from storage.sql.database import Connection, Job, Result
from storage.sql.turns import Turns

LONG_READERS = 2

#: The indexes of the pools, by the length of their reads.
_SHORT, _LONG = 0, 1

# A session has the lock until it ends. Each schema has a lock of its own.
_SCHEMA = "hashtext(current_schema())"
_LOCK = f"SELECT pg_try_advisory_lock({STORE_LOCK}, {_SCHEMA})"
_LOCK_SHARED = f"SELECT pg_try_advisory_lock_shared({STORE_LOCK}, {_SCHEMA})"
_UNLOCK = f"SELECT pg_advisory_unlock({STORE_LOCK}, {_SCHEMA})"
_LOCK_MIGRATION = f"SELECT pg_advisory_lock({MIGRATION_LOCK}, {_SCHEMA})"
_UNLOCK_MIGRATION = f"SELECT pg_advisory_unlock({MIGRATION_LOCK}, {_SCHEMA})"

# Of the transactions of several processes, appends, which lock the rows of their owners, may run
# beside each other; all others run alone, as those of one process do.
_WRITE_ALONE = f"SELECT pg_advisory_xact_lock({WRITE_LOCK}, {_SCHEMA})"
_APPEND = f"SELECT pg_advisory_xact_lock_shared({WRITE_LOCK}, {_SCHEMA})"

_TABLES_OF_SCHEMA = """
SELECT
    EXISTS (
        SELECT 1 FROM pg_class
        WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'p')
    ),
    to_regclass('migrations') IS NOT NULL
"""

_SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"

#: Tables that hold content of messages, journals or rosters.
_TABLES = (
    "archive",
    "fulltext",
    "names",
    "links",
    "journal",
    "conversations",
    "offline",
    "old_ids",
)

#: Bytes of all tables of the schema with their indexes; partitions are tables of their own.
_SIZE = """
SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS bigint) FROM pg_class
WHERE relkind IN ('r', 'm') AND relnamespace = CAST(current_schema() AS regnamespace)
"""

_PARTITIONED = re.compile(r"CREATE TABLE (\w+) .*/\* (PARTITION BY HASH \(owner\)) \*/", re.DOTALL)


class PostgresDatabase:
    """A database whose tables this process writes, or several ones: `PostgresOptions.process`."""

    name = "postgres"
    #: Even for one process counters are never cached: another one may take over after a failure.
    is_only_writer = False

    def __init__(self, url: str, options: PostgresOptions) -> None:
        self.shown_url = shown(url)
        self._options = options
        self._servers = Servers(url, options)
        self._writer: PostgresConnection | None = None
        self._writer_free = asyncio.Lock()
        self._pools: list[asyncpg.Pool] = []
        self._turns = Turns(LONG_READERS, options.turn)
        self._is_closed = False
        self._is_alone = False  # whether this process keeps all others out
        self._writer_process = 0  # of the server, for the connection that writes
        self._session: Session | None = None
        self.processes: Processes = Alone()

    @property
    def is_shared(self) -> bool:
        """Whether other processes may use the database too."""
        return self._options.process is not None

    @classmethod
    async def open(cls, url: str, options: PostgresOptions) -> PostgresDatabase:
        """Connect. Raises Locked, Unavailable, and StorageError for a database of another program.

        No error quotes the password.
        """
        database = cls(url, options)
        try:
            await database.connect()
        except Locked:
            await database.close()
            raise
        except (StorageError, ValueError) as error:
            await database.close()
            raise type(error)(f"{database.shown_url}: {error}") from error
        except BaseException:
            await database.close()
            raise
        return database

    def wrap(self, driver: Driver) -> PostgresConnection:
        """Return a connection over one of the driver."""
        return PostgresConnection(driver, self._channel)

    @property
    def _channel(self) -> str:
        return "" if self._session is None else self._session.channel

    async def connect(self) -> None:
        """Connect, as `open` does."""
        if not self._options.is_read_only:
            self._writer = await self._connect_writer(is_first=True)
            await self._check_application(self._writer)
        for size, init in ((self._options.connections, None), (LONG_READERS, _plan_each_time)):
            with translated():
                pool = asyncpg.create_pool(
                    min_size=0,
                    max_size=size,
                    max_inactive_connection_lifetime=300,
                    init=init,
                    reset=_keep_session,
                    connect=self._connect_reader,
                )
                self._pools.append(pool)
                await pool

    async def share(self) -> None:
        """Let other processes use the migrated database too, and join them. Raises Locked."""
        if self._options.process is None or self._writer is None:
            return
        session = Session(
            self._options.process,
            self._servers.connect,
            lambda process: process == self._writer_process,
        )
        await session.open()
        self._session = self.processes = session
        self._writer = self.wrap(self._writer.driver)
        if self._is_alone:
            await self._writer.fetch(_LOCK_SHARED)
            await self._writer.fetch(_UNLOCK)
            self._is_alone = False
        await self._writer.fetch(_UNLOCK_MIGRATION)

    def refuse_migration(self) -> None:
        """Raise Locked if other processes use the tables as they are now."""
        if not self._is_alone and self.is_shared:
            raise Locked(
                f"other processes use {self.shown_url}, whose tables have to be changed: stop all"
                " processes, then start them again"
            )

    async def refuse_name_in_use(self) -> None:
        """Raise Locked if another process runs with the name of this one."""
        if self._options.process is not None and self._writer is not None:
            [[is_free]] = await self._writer.fetch(LOCK_NAME, self._options.process)
            if not is_free:
                raise Locked(
                    f"{self.shown_url} is used by another process as {self._options.process}"
                )

    async def _connect_reader(self, *_: object, **__: object) -> ServerConnection:
        return await self._servers.connect()

    async def _connect_writer(self, *, is_first: bool = False) -> PostgresConnection:
        """Return a connection that has the lock of the store. Raises Locked, Unavailable.

        The first connection of a process keeps out all others that start, until `share`.
        """
        with translated():
            driver = await self._servers.connect()
        writer = self.wrap(driver)
        try:
            await self._lock(writer, is_first)
            await self._set_durability(writer)
        except BaseException:
            driver.terminate()
            raise
        self._writer_process = driver.get_server_pid()
        return writer

    async def _lock(self, writer: PostgresConnection, is_first: bool) -> None:
        """Take the lock of the store, alone or shared. Raises Locked."""
        if is_first and self.is_shared:
            await writer.fetch(_LOCK_MIGRATION)
        self._is_alone = False
        if is_first or not self.is_shared:
            [[self._is_alone]] = await writer.fetch(_LOCK)
        has_lock = self._is_alone
        if not has_lock and self.is_shared:
            [[has_lock]] = await writer.fetch(_LOCK_SHARED)
        if not has_lock:
            raise Locked(f"{self.shown_url} is used by another process")

    async def _set_durability(self, writer: PostgresConnection) -> None:
        """Let commits survive a crash of the server, or, if so configured, return earlier."""
        if not self._options.is_synchronous:
            await writer.execute("SET synchronous_commit = off")
            return
        # Other values than "off" are stronger than "on", or a choice of the operator.
        [[setting]] = await writer.fetch("SHOW synchronous_commit")
        if setting == "off":
            await writer.execute("SET synchronous_commit = on")

    async def _check_application(self, connection: PostgresConnection) -> None:
        """Raise StorageError if the schema has tables of another program."""
        [[has_tables, is_store]] = await connection.fetch(_TABLES_OF_SCHEMA)
        if has_tables and not is_store:
            raise StorageError(
                "this database has tables of another program: create a database for Muniment alone"
            )

    async def has_tables(self) -> bool:
        """Return whether a store was created in this database."""
        async with self.read() as connection:
            rows = await connection.fetch("SELECT to_regclass('migrations') IS NOT NULL")
        return bool(rows[0][0])

    def schema(self, statement: str) -> Sequence[str]:
        """Return a statement of a migration, with the partitions of its table if there are any."""
        match = _PARTITIONED.search(statement)
        count = self._options.partitions
        if not match or not count:
            return [statement]
        table, clause = match.groups()
        partitions = [
            f"CREATE TABLE {table}_{n} PARTITION OF {table}"
            f" FOR VALUES WITH (MODULUS {count}, REMAINDER {n})"
            for n in range(count)
        ]
        return [statement.replace(f"/* {clause} */", clause), *partitions]

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Open a transaction on the writing connection; connect anew if it was lost."""
        async with self._transaction(_WRITE_ALONE) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, lock: str) -> AsyncIterator[Connection]:
        async with self._writer_free:
            writer = await self._open_writer()
            async with self._servers.watch(writer.driver):
                try:
                    await writer.begin()
                    if self.is_shared:
                        await writer.execute(lock)
                    yield writer
                    await writer.execute("COMMIT")
                except BaseException:
                    with suppress(StorageError):
                        await writer.rollback()
                    raise

    async def transact(self, job: Job[Result]) -> Result:
        """Run a job in a transaction on the writing connection.

        Several processes may run such jobs at once: a job locks the rows of its owners.
        """
        async with self._transaction(_APPEND) as connection:
            return await job(connection)

    async def _open_writer(self) -> PostgresConnection:
        if self._is_closed or self._options.is_read_only:
            raise Unavailable("the store is closed, or only open for reads")
        if self._writer is None or self._writer.is_closed:
            self._writer = None
            try:
                self._writer = await self._connect_writer()
            except Locked as error:
                # The server may not know yet that the lost connection has gone.
                raise Unavailable(str(error)) from error
            # Another server may take writes now: reads have to see them.
            for pool in self._pools:
                await pool.expire_connections()
        return self._writer

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Lend a connection for a short read; it sees everything that was committed."""
        async with self._lend(_SHORT) as reader:
            yield reader

    async def read_archive(
        self,
        owner: str,
        job: Job[Result],
        *,
        in_snapshot: bool = False,
        is_long: bool = False,
    ) -> Result:
        """Run a job that reads one archive. Raises TookTooLong, Busy."""
        if not is_long:
            async with self._lend(_SHORT) as reader:
                try:
                    async with asyncio.timeout(self._options.short_read):
                        return await _run(reader, job, in_snapshot)
                except TimeoutError:
                    pass
        async with self._turns.of(owner):
            seconds = self._options.long_read
            async with self._lend(_LONG) as reader:
                try:
                    async with asyncio.timeout(seconds):
                        return await _run(reader, job, in_snapshot)
                except TimeoutError as error:
                    raise TookTooLong(f"the read was interrupted after {seconds:g} s") from error

    @asynccontextmanager
    async def _lend(self, length: int) -> AsyncIterator[PostgresConnection]:
        if self._is_closed:
            raise Unavailable("the store is closed")
        pool = self._pools[length]
        try:
            with translated():
                driver = await pool.acquire(timeout=self._options.turn)
        except Unavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                raise Busy("all connections to the database are busy") from error
            raise
        # A server that is silent does not confirm that a read was interrupted.
        async with self._servers.watch(driver):
            try:
                yield self.wrap(driver)
            finally:
                with translated():
                    await pool.release(driver, timeout=self._options.answer)

    async def rewrite(self) -> None:
        """Rewrite the tables, so that they hold only the stored rows; reads wait too."""
        async with self._writer_free:
            await self._vacuum("VACUUM (FULL)")

    async def scrub_index(self) -> None:
        """Free the space of removed rows in the tables and in their indexes."""
        await self._vacuum("VACUUM")

    async def space(self) -> Space:
        """Return the size of all tables and indexes; PostgreSQL does not tell what is unused."""
        async with self.read() as connection:
            [[size]] = await connection.fetch(_SIZE)
        return Space(disk=size, used=None, free=None, has_steps=False)

    async def release(self) -> bool:
        """Do nothing: VACUUM gives back the unused pages at the end of each table."""
        return False

    async def _vacuum(self, command: str) -> None:
        """Vacuum all tables with content, however long that takes."""
        with translated():
            driver = await self._servers.connect(is_patient=True)
        cleaner = self.wrap(driver)
        try:
            async with self._servers.watch(driver):
                for table in _TABLES:
                    await cleaner.execute(f"{command} {table}")
        finally:
            await cleaner.close(self._options.connect)

    async def close(self) -> None:
        """Close every connection, and so release the locks. A second call does nothing."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        pools, self._pools = self._pools, []
        for pool in pools:
            try:
                async with asyncio.timeout(self._options.connect):
                    await pool.close()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                pool.terminate()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close(self._options.connect)
        await self._servers.close()


async def _plan_each_time(driver: Driver) -> None:
    """Have each statement planned for its values.

    Which index finds the words of a search depends on the words. A plan for any words would read
    the whole archive for a word that one message has.
    """
    await driver.execute("SET plan_cache_mode = force_custom_plan")


async def _keep_session(_: Any) -> None:
    """Spare the round trip that resets a session: no read changes any of its settings."""


async def _run(
    reader: PostgresConnection,
    job: Job[Result],
    in_snapshot: bool,
) -> Result:
    if not in_snapshot:
        return await job(reader)
    try:
        await reader.begin(_SNAPSHOT)
        return await job(reader)
    finally:
        await reader.rollback()


def shown(url: str) -> str:
    """Return a URL without its user, its password and its options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
