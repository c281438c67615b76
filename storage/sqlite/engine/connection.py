"""A connection to an SQLite file, with `$1` parameters and the errors of `storage.errors`.

No other module imports aiosqlite.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from math import inf
from typing import Any, Self, cast
from urllib.parse import quote

import aiosqlite

from storage.errors import Rejected, StorageError, TookTooLong, Unavailable
from storage.processes import Topic
from storage.sql.database import Bound, Connection, Job, Result, Row
from storage.sqlite.engine.dialect import CACHED_SQL_MAX, translated
from storage.sqlite.index import SqliteIndex

#: SQLite calls the step counter after this many steps of its virtual machine. The counter runs
#: rarely, because each call needs the interpreter lock.
COUNTED_STEPS = 10_000

#: Numbers of rows in one INSERT; the largest number that the remaining rows fill is next. Each
#: statement waits for the interpreter lock, so few statements are faster. The largest number is
#: limited, because a cached statement keeps its values in memory.
ROWS_AT_ONCE = (128, 32, 8, 1)

#: Interval in seconds at which a cancelled step is interrupted until it ends.
INTERRUPT_SECONDS = 0.1

#: Errors that the values of a statement cause.
_VALUES = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)


class _Translation:
    """Context manager that translates errors of the driver to `storage.errors`; has no state."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, _VALUES) and not _is_primary_key_conflict(error):
            raise Rejected(str(error)) from error
        # aiosqlite raises ValueError if the connection is closed.
        if isinstance(error, sqlite3.Error | ValueError):
            raise Unavailable(str(error)) from error


def _is_primary_key_conflict(error: BaseException) -> bool:
    """Return whether a primary key exists already: this program is wrong then, not the values."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY


_translated = _Translation()


class SqliteConnection:
    """A connection with a thread of its own."""

    index = SqliteIndex()

    def __init__(self, driver: aiosqlite.Connection) -> None:
        self._driver = driver
        self._has_cancelled = False  # whether a cancelled step may still run in the thread
        self._is_interruptible = True  # whether the present step is interrupted on cancellation
        self._interrupts = True  # the same for steps to come
        self._steps_left: float = inf

    @classmethod
    async def open(cls, path: str, *, busy_seconds: float, is_read_only: bool = False) -> Self:
        """Open a file, or for reading only an existing one. Raises Unavailable."""
        name = f"file:{quote(path)}?mode=ro" if is_read_only else path
        with _translated:
            return cls(
                await aiosqlite.connect(
                    name,
                    uri=is_read_only,
                    isolation_level=None,
                    timeout=busy_seconds,
                    cached_statements=256,
                )
            )

    async def run(self, job: Job[Result]) -> Result:
        """Run a whole job in the thread, and return its result.

        The job may await its connection alone. Each step to the thread and back costs more than
        most statements, and waits for the interpreter lock twice. Raises TookTooLong inside
        `bounded`.
        """
        return await self._step(lambda connection: _drive(job(connection)))

    async def configure(self, **pragmas: object) -> None:
        """Set pragmas in this order."""

        async def job(connection: Connection) -> None:
            for name, value in pragmas.items():
                await connection.execute(f"PRAGMA {name} = {value}")

        await self.run(job)

    async def notify(self, topic: Topic, keys: Iterable[str] = ()) -> None:
        """Do nothing: one process uses a file."""

    async def fetch_replanned(self, sql: str, *values: object) -> list[Row]:
        """Run a query; SQLite plans each statement once."""
        return await self.fetch(sql, *values)

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        await self.fetch(sql, *values)

    async def change(self, sql: str, *values: object) -> int:
        """Run a statement and return the number of rows that it has changed."""
        return await self.run(lambda c: c.change(sql, *values))

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows and return the number of inserted ones.

        `into` is a table with its columns, `on_conflict` an ON CONFLICT clause.
        """
        return await self.run(lambda c: c.insert(into, rows, on_conflict=on_conflict))

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        await self.run(lambda c: c.executemany(sql, rows))

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound only the rows that it takes.

        Raises TookTooLong inside `bounded`.
        """
        return await self.run(lambda c: c.fetch(sql, *values, bound=bound))

    @contextmanager
    def bounded(self, steps: int) -> Iterator[None]:
        """Interrupt queries in the block after about `steps` steps of SQLite's virtual machine.

        The connection has to count steps (`count_steps`).
        """
        self._steps_left = steps
        try:
            yield
        finally:
            self._steps_left = inf

    async def count_steps(self) -> None:
        """Start to count steps, as `bounded` requires."""
        with _translated:
            await self._driver.set_progress_handler(self._count, COUNTED_STEPS)

    def _count(self) -> bool:
        """Count steps, in the thread of the driver; return whether to interrupt the statement."""
        self._steps_left -= COUNTED_STEPS
        return self._steps_left < 0

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Let each step that begins in the block run to its end, also if it is cancelled.

        The full-text index may keep a statement of its own open until a transaction ends. While a
        statement is open, an interrupt stays in force (sqlite.org/c3ref/interrupt.html): it would
        also stop the rollback, and so everything on this connection for ever.
        """
        self._interrupts = False
        try:
            yield
        finally:
            self._interrupts = True

    async def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        await self._step(lambda connection: connection.rollback())

    async def close(self) -> None:
        """Interrupt the running statement, and close the connection."""
        with suppress(StorageError), _translated:
            await self._finish_cancelled()
        await self._driver.close()

    async def _step(self, function: Callable[[InThread], Result]) -> Result:
        """Run a function in the thread; interrupt it on cancellation, if it may be."""
        try:
            with _translated:
                await self._finish_cancelled()
                self._is_interruptible = self._interrupts
                # The driver has no public method that runs a function.
                step: Awaitable[Result] = self._driver._execute(self._in_thread, function)
                return await step
        except asyncio.CancelledError:
            # Cancellation does not stop the thread of the driver, and others wait for the
            # connection.
            self._has_cancelled = True
            await self._interrupt()
            raise
        except Unavailable as error:
            if self._steps_left < 0:
                raise TookTooLong("the read has used all steps that it may take") from error
            raise

    def _in_thread(self, function: Callable[[InThread], Result]) -> Result:
        return function(InThread(self._driver._conn))

    async def _finish_cancelled(self) -> None:
        """Wait until a cancelled step has ended, and roll back its transaction."""
        if not self._has_cancelled:
            return
        ended = asyncio.ensure_future(self._driver.rollback())
        while not ended.done():
            # The step may have begun after the last interrupt.
            await self._interrupt()
            await asyncio.wait({ended}, timeout=INTERRUPT_SECONDS)
        if ended.exception() is not None:
            # An interrupt has met the rollback itself, and the transaction is still open. By now
            # nothing else runs, so there is nothing to interrupt.
            await self._driver.rollback()
        self._has_cancelled = False

    async def _interrupt(self) -> None:
        if not self._is_interruptible:
            return
        with suppress(ValueError, sqlite3.Error):
            await self._driver.interrupt()


class InThread:
    """The connection of a job that runs in the thread: its methods wait for nothing else."""

    index = SqliteConnection.index

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def notify(self, topic: Topic, keys: Iterable[str] = ()) -> None:
        """Do nothing: one process uses a file."""

    async def fetch_replanned(self, sql: str, *values: object) -> list[Row]:
        """Run a query; SQLite plans each statement once."""
        return await self.fetch(sql, *values)

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        with _translated:
            self._execute(sql, values)

    async def change(self, sql: str, *values: object) -> int:
        """Run a statement and return the number of rows that it has changed."""
        with _translated:
            return self._execute(sql, values).rowcount

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows and return the number of inserted ones."""
        inserted = 0
        with _translated:
            for rows_per_step in ROWS_AT_ONCE:
                count = len(rows) // rows_per_step
                if count:
                    sql = _insert_sql(into, len(rows[0]), rows_per_step, on_conflict)
                    values = _flatten(rows, rows_per_step, count)
                    inserted += self._connection.executemany(sql, values).rowcount
                    rows = rows[rows_per_step * count :]
        return inserted

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        with _translated:
            self._connection.executemany(translated(sql), rows)

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound only the rows that it takes."""
        with _translated:
            cursor = self._execute(sql, values)
            return cursor.fetchall() if bound is None else bound.take(cursor)

    def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        # SQLite itself ends a transaction after some errors, so only this thread knows whether one
        # is open.
        with _translated:
            self._connection.rollback()

    def _execute(self, sql: str, values: Sequence[object]) -> sqlite3.Cursor:
        return self._connection.execute(translated(sql), [*map(_array, values)])


def _drive(job: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never has to wait, and return its result."""
    try:
        job.send(None)
    except StopIteration as end:
        return cast(Result, end.value)
    job.close()
    raise RuntimeError("a job of the store awaits something other than its connection")


@lru_cache(CACHED_SQL_MAX)
def _insert_sql(into: str, columns: int, rows: int, on_conflict: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {on_conflict}"  # noqa: S608


def _flatten(
    rows: Sequence[Sequence[object]], rows_per_step: int, count: int
) -> list[list[object]]:
    """Return `count` lists, each with the values of the next `rows_per_step` rows."""
    starts = range(0, rows_per_step * count, rows_per_step)
    return [list(chain.from_iterable(rows[start : start + rows_per_step])) for start in starts]


def _array(value: object) -> object:
    """Return a list as JSON, and any other value as it is."""
    return json.dumps(value) if isinstance(value, list) else value
