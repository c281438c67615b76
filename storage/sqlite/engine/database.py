"""An SQLite database: one connection that writes, a few that read, and one process per file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from storage.errors import StorageError, TookTooLong, Unavailable
from storage.processes import Alone, Processes
from storage.rows import Space
from storage.sql.database import Connection, Job, Result
from storage.sql.turns import Turns
from storage.sqlite.engine.connection import SqliteConnection
from storage.sqlite.engine.file_lock import FileLock
from storage.sqlite.merge import merge_index

MEMORY = ":memory:"

#: Numbers of connections for short reads and for long reads. Each connection has a thread, which
#: asks for the interpreter lock after each row: more threads take it from each other and from the
#: event loop, and a page costs more (docs/performance.md). One thread would let all reads wait
#: while it waits for the disk.
READERS = 2
LONG_READERS = 2

#: A read that takes more steps of SQLite's virtual machine (some milliseconds) is a long read.
SHORT_STEPS = 50_000


_WRITER_CACHE_KIB = 4 * 1024
_READER_CACHE_KIB = 8 * 1024
_JOURNAL_PAGES = 4_000

#: Seconds for which one step gives back unused pages; messages wait for its end.
RELEASE_SECONDS = 0.02

#: The value of PRAGMA auto_vacuum.
_INCREMENTAL = 2

#: "MUNI" in ASCII; the first migration writes it.
_APPLICATION_ID = 1297436233

# Before the first migration the file has no table, or only the table of migrations.
_HAS_NO_TABLES_OF_OTHERS = """
SELECT 1 WHERE $1 = 0 AND (
    NOT EXISTS (SELECT 1 FROM sqlite_schema)
    OR (SELECT count(*) FROM pragma_table_info('migrations')
        WHERE name IN ('number', 'name', 'checksum')) = 3
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTimeouts:
    """All in seconds."""

    lock: float = 5.0  #: how long a statement waits for the lock of another program
    turn: float = 10.0  #: how long a long read waits for its turn
    long_read: float = 5.0  #: how long a long read may take


DEFAULT_TIMEOUTS = DatabaseTimeouts()


class SqliteDatabase:
    """An SQLite file in WAL mode, locked to this process."""

    name = "sqlite"
    is_only_writer = True
    is_shared = False

    def __init__(
        self,
        path: str,
        lock: FileLock | None,
        timeouts: DatabaseTimeouts,
        *,
        is_read_only: bool = False,
    ) -> None:
        self.processes: Processes = Alone()
        self._is_read_only = is_read_only
        self._path = path
        self._lock = lock
        self._timeouts = timeouts
        self._connections: list[SqliteConnection] = []
        self._writer_free = asyncio.Lock()
        self._readers = _Readers()
        self._long_readers = _Readers()
        self._turns = Turns(LONG_READERS, timeouts.turn)

    @classmethod
    async def open(
        cls, path: str, *, synchronous: str, timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS
    ) -> SqliteDatabase:
        """Open the file, or create it.

        `synchronous` is "full" (a commit survives a power cut), "normal" (a commit survives a
        crash of this process) or, for tests, "off" (the file may not survive a power cut). Raises
        Locked, Unavailable, and StorageError for a file of another program.
        """
        database = cls(path, None if path == MEMORY else FileLock.take(path), timeouts)
        try:
            await database._connect(synchronous)
        except Unavailable as error:
            await database.close()
            raise Unavailable(f"{path}: {error}") from error
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def open_read_only(
        cls, path: str, *, timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS
    ) -> SqliteDatabase:
        """Open an existing file for reads, beside a process that may write. Raises as `open`."""
        # The thread of the driver would outlive an attempt that fails.
        if not os.access(path, os.R_OK):
            raise Unavailable(f"{path}: there is no such file, or this user may not read it")
        database = cls(path, None, timeouts, is_read_only=True)
        try:
            database._writer = await database._connection(_READER_CACHE_KIB)
            await database._check_application()
            await database._open_readers()
        except Unavailable as error:
            await database.close()
            raise Unavailable(f"{path}: {error}") from error
        except BaseException:
            await database.close()
            raise
        return database

    async def _connect(self, synchronous: str) -> None:
        self._writer = await self._connection(_WRITER_CACHE_KIB)
        await self._check_application()
        await self._writer.configure(
            # First, because the other changes are commits too.
            synchronous=synchronous,
            # A message of usual size fits a page of this size.
            page_size=8192,
            **await self._vacuum_mode(),
            journal_mode="WAL",
            # A page that many commits change is then written to the file once for all of them.
            wal_autocheckpoint=_JOURNAL_PAGES,
            # SQLite overwrites deleted content with zeros.
            secure_delete="ON",
            # The pages that a statement may have to restore: else they go through a file.
            temp_store="MEMORY",
        )
        if self._path == MEMORY:
            return
        await self._open_readers()

    async def _vacuum_mode(self) -> dict[str, str]:
        """Return the pragma by which unused pages can be given back without a rewrite.

        A file that has tables already changes with its next rewrite. The pragma would write to a
        file that has this mode.
        """
        [[mode]] = await self._writer.fetch("PRAGMA auto_vacuum")
        return {} if mode == _INCREMENTAL else {"auto_vacuum": "INCREMENTAL"}

    async def _open_readers(self) -> None:
        for readers, count in ((self._readers, READERS), (self._long_readers, LONG_READERS)):
            for _ in range(count):
                reader = await self._connection(_READER_CACHE_KIB, query_only="ON")
                if readers is self._readers:
                    await reader.count_steps()
                readers.add(reader)

    async def _check_application(self) -> None:
        """Raise StorageError if the file is a database of another program."""
        rows = await self._writer.fetch("PRAGMA application_id")
        if rows[0][0] == _APPLICATION_ID or await self._writer.fetch(
            _HAS_NO_TABLES_OF_OTHERS, rows[0][0]
        ):
            return
        raise StorageError(f"{self._path} is a database of another program")

    async def _connection(self, cache_kib: int, **pragmas: object) -> SqliteConnection:
        connection = await SqliteConnection.open(
            self._path, busy_seconds=self._timeouts.lock, is_read_only=self._is_read_only
        )
        self._connections.append(connection)
        await connection.configure(cache_size=-cache_kib, **pragmas)
        return connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Open a transaction on the writing connection."""
        async with self._writing() as writer:
            try:
                await writer.execute("BEGIN IMMEDIATE")
                yield writer
                await writer.execute("COMMIT")
            except BaseException:
                await writer.rollback()
                raise

    async def transact(self, job: Job[Result]) -> Result:
        """Run a job in a transaction on the writing connection, in one step of its thread."""

        async def whole(connection: Connection) -> Result:
            await connection.execute("BEGIN IMMEDIATE")
            result = await job(connection)
            await connection.execute("COMMIT")
            return result

        async with self._writing() as writer:
            try:
                return await writer.run(whole)
            except BaseException:
                undoing = asyncio.ensure_future(writer.rollback())
                while not undoing.done():
                    # Cancelled again: the job may still run, and uses what its caller keeps.
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait({undoing})
                undoing.result()
                raise

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[SqliteConnection]:
        """Lend the writing connection for a transaction, which is short and never interrupted."""
        async with self._writer_free:
            if self._lock is not None:
                self._lock.check()
            with self._writer.uninterrupted():
                yield self._writer

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Lend a connection for a short read; it sees everything that was committed."""
        async with self._lend(self._readers) as reader:
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
            with suppress(TookTooLong):
                async with self._lend(self._readers) as reader:
                    with reader.bounded(SHORT_STEPS):
                        return await _run(reader, job, in_snapshot)
        async with self._turns.of(owner):
            seconds = self._timeouts.long_read
            try:
                async with asyncio.timeout(seconds), self._lend(self._long_readers) as reader:
                    return await _run(reader, job, in_snapshot)
            except TimeoutError as error:
                raise TookTooLong(f"the read was interrupted after {seconds:g} s") from error

    @asynccontextmanager
    async def _lend(self, readers: _Readers) -> AsyncIterator[SqliteConnection]:
        if self._path == MEMORY:
            async with self._writer_free:
                yield self._writer
            return
        async with readers.one() as reader:
            yield reader

    async def rewrite(self) -> None:
        """Rewrite the file and truncate the journal, so that they hold only the stored rows."""
        async with self._writer_free:
            await self._writer.execute("VACUUM")
        await self.cut_journal()

    async def space(self) -> Space:
        """Return the space that the file and its journal take. Raises Unavailable."""
        async with self._writer_free:
            return await self._writer.run(self._space)

    async def _space(self, connection: Connection) -> Space:
        pages, page_size = await _pragma(connection, "page_count", "page_size")
        free, mode = await _pragma(connection, "freelist_count", "auto_vacuum")
        return Space(
            disk=sum(map(_size, (self._path, f"{self._path}-wal"))),
            used=(pages - free) * page_size,
            free=free * page_size,
            has_steps=mode == _INCREMENTAL,
        )

    async def release(self) -> bool:
        """Move pages from the end of the file into unused ones; return whether to go on.

        The file becomes shorter once the journal is truncated, after the last step.
        """
        if await self.transact(_release):
            return True
        # The next truncation also serves, if a read uses the journal now.
        with suppress(Unavailable):
            await self.cut_journal()
        return False

    def schema(self, statement: str) -> Sequence[str]:
        return [statement]

    async def scrub_index(self) -> None:
        """Merge the full-text index, and truncate the journal. Raises Unavailable."""
        await merge_index(self)
        await self.cut_journal()

    async def cut_journal(self) -> None:
        """Truncate the journal. Raises Unavailable if a long read uses it."""
        async with self._writer_free:
            rows = await self._writer.fetch("PRAGMA wal_checkpoint(TRUNCATE)")
        if rows[0][0]:
            raise Unavailable("the journal cannot be truncated while a read uses it")

    async def close(self) -> None:
        """Close every connection and release the lock. A second call does nothing."""
        while self._connections:
            await self._connections.pop().close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


async def _pragma(connection: Connection, *names: str) -> list[int]:
    return [int((await connection.fetch(f"PRAGMA {name}"))[0][0]) for name in names]


async def _release(connection: Connection) -> bool:
    """Give back pages for a short time; return whether some are left that can be given back."""
    [mode] = await _pragma(connection, "auto_vacuum")
    if mode != _INCREMENTAL:
        return False
    until = monotonic() + RELEASE_SECONDS
    while True:
        [free] = await _pragma(connection, "freelist_count")
        if not free or monotonic() >= until:
            return bool(free)
        # One page each: Python takes only the first step of the pragma.
        await connection.execute("PRAGMA incremental_vacuum(1)")


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0


class _Readers:
    """Connections that are lent in the order of the requests, the one that was used last first.

    A queue of asyncio would let a new request overtake those that wait, again and again.
    """

    def __init__(self) -> None:
        self._free: list[SqliteConnection] = []
        self._count = asyncio.Semaphore(0)

    def add(self, reader: SqliteConnection) -> None:
        """Add a connection."""
        self._free.append(reader)
        self._count.release()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[SqliteConnection]:
        """Lend a connection while the context is open."""
        await self._count.acquire()
        reader = self._free.pop()
        try:
            yield reader
        finally:
            self.add(reader)


async def _run(reader: SqliteConnection, job: Job[Result], in_snapshot: bool) -> Result:
    """Run a job in one step of the thread of a reader."""
    if not in_snapshot:
        return await reader.run(job)

    async def whole(connection: Connection) -> Result:
        await connection.execute("BEGIN")
        result = await job(connection)
        await connection.execute("ROLLBACK")
        return result

    try:
        return await reader.run(whole)
    except BaseException:
        await reader.rollback()
        raise
