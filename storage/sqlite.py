"""SQLite: one writing connection, a few reading ones, one process a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.database import Connection
from storage.errors import StorageError, Unavailable
from storage.file_lock import FileLock
from storage.sqlite_connection import SqliteConnection

MEMORY = ":memory:"
READERS = 2
BUSY_SECONDS = 5.0

_WRITER_CACHE_KIB = 16 * 1024
_READER_CACHE_KIB = 8 * 1024
_JOURNAL_PAGES = 4_000
#: "MUNI", as the first migration writes it.
_APPLICATION = 1297436233

# Before that migration there is nothing in the file, or no more than the table of migrations.
_MAY_BE_OURS = """
SELECT 1 WHERE $1 = 0 AND (
    NOT EXISTS (SELECT 1 FROM sqlite_schema)
    OR (SELECT count(*) FROM pragma_table_info('migrations')
        WHERE name IN ('number', 'name', 'checksum')) = 3
)
"""


class SqliteDatabase:
    """An SQLite file in WAL mode, locked to this process."""

    name = "sqlite"

    def __init__(self, path: str, lock: FileLock | None) -> None:
        self._path = path
        self._lock = lock
        self._connections: list[SqliteConnection] = []
        self._writer_free = asyncio.Lock()
        self._readers: list[SqliteConnection] = []
        self._reader_free = asyncio.Semaphore(READERS)

    @classmethod
    async def open(cls, path: str, *, synchronous: str) -> SqliteDatabase:
        """Open or make the file. Raises Locked, Unavailable, or StorageError for a foreign one.

        `synchronous` is "full" (a commit survives a power cut) or "normal" (it survives a crash
        of this process).
        """
        database = cls(path, None if path == MEMORY else FileLock.take(path))
        try:
            await database._connect(synchronous)
        except Unavailable as error:
            await database.close()
            raise Unavailable(f"{path}: {error}") from error
        except BaseException:
            await database.close()
            raise
        return database

    async def _connect(self, synchronous: str) -> None:
        self._writer = await self._connection(_WRITER_CACHE_KIB)
        await self._refuse_foreign()
        # Larger pages keep a message of usual size in one piece.
        await self._writer.execute("PRAGMA page_size = 8192")
        await self._writer.execute("PRAGMA journal_mode = WAL")
        # Pages that are written again and again go into the file once in many commits.
        await self._writer.execute(f"PRAGMA wal_autocheckpoint = {_JOURNAL_PAGES}")
        await self._writer.execute(f"PRAGMA synchronous = {synchronous}")
        # What is removed is overwritten, not only no longer listed.
        await self._writer.execute("PRAGMA secure_delete = ON")
        if self._path == MEMORY:
            return
        for _ in range(READERS):
            reader = await self._connection(_READER_CACHE_KIB)
            await reader.execute("PRAGMA query_only = ON")
            self._readers.append(reader)

    async def _refuse_foreign(self) -> None:
        """Raise StorageError where the file is a database of another program."""
        rows = await self._writer.fetch("PRAGMA application_id")
        if rows[0][0] == _APPLICATION or await self._writer.fetch(_MAY_BE_OURS, rows[0][0]):
            return
        raise StorageError(f"{self._path} is a database of another program")

    async def _connection(self, cache_kib: int) -> SqliteConnection:
        connection = await SqliteConnection.open(self._path, busy_seconds=BUSY_SECONDS)
        self._connections.append(connection)
        await connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        return connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Open a transaction on the writing connection."""
        async with self._writer_free:
            try:
                if self._lock is not None:
                    self._lock.check()
                await self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                await self._writer.execute("COMMIT")
            except BaseException:
                await self._writer.rollback()
                raise

    @asynccontextmanager
    async def read(self, *, is_long: bool = False) -> AsyncIterator[SqliteConnection]:
        """Lend a reading connection."""
        if self._path == MEMORY:
            async with self._writer_free:
                yield self._writer
            return
        # Whoever reads again and again at a glance would let nobody else have a turn.
        await asyncio.sleep(0)
        async with self._reader_free:
            reader = self._readers.pop()
            reader.is_glancing = not is_long
            try:
                yield reader
            finally:
                self._readers.append(reader)

    @asynccontextmanager
    async def snapshot(self, *, is_long: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection that sees one and the same moment until it is given back."""
        async with self.read(is_long=is_long) as connection:
            try:
                await connection.execute("BEGIN")
                yield connection
            finally:
                await connection.rollback()

    async def rewrite(self) -> None:
        """Write the file anew and cut the journal, so that they hold only what is stored."""
        async with self._writer_free:
            await self._writer.execute("VACUUM")
            rows = await self._writer.fetch("PRAGMA wal_checkpoint(TRUNCATE)")
        if rows[0][0]:
            raise Unavailable("the journal cannot be cut while it is read")

    async def close(self) -> None:
        """Close every connection and give the file free. Calling it twice is fine."""
        while self._connections:
            await self._connections.pop().close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
