"""One connection to an SQLite file: `$1` parameters, and the errors of `storage.errors`.

The only module that knows aiosqlite.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from math import inf
from typing import Self, TypeVar

import aiosqlite

from storage.errors import Rejected, StorageError, TookTooLong, Unavailable
from storage.sqlite.engine.protocols import Bound, Row

#: SQLite calls the step counter after this many steps of its virtual machine. Each call needs the
#: interpreter lock.
COUNTED_STEPS = 10_000

#: Rows of one INSERT: the largest number that is left. Each statement waits for the interpreter
#: lock, so few are better. Not more, because a cached statement keeps its values in memory.
ROWS_AT_ONCE = (128, 32, 8, 1)

#: Cached texts of statements. There are fewer, because no text contains a value.
CACHED_SQL_MAX = 1_000

#: Interval at which a cancelled step is interrupted until it ends.
INTERRUPT_SECONDS = 0.1

#: Errors that the values of a statement cause.
_VALUES = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)

_PARAMETER = re.compile(r"\$(\d+)")

_Result = TypeVar("_Result")


class _Translation:
    """Context manager that raises errors of the driver as `storage.errors`; has no state."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, _VALUES) and not _is_primary_key_conflict(error):
            raise Rejected(str(error)) from error
        # aiosqlite has a ValueError for a connection that is closed.
        if isinstance(error, sqlite3.Error | ValueError):
            raise Unavailable(str(error)) from error


def _is_primary_key_conflict(error: BaseException) -> bool:
    """Return whether a primary key was given twice: a fault of this program, not of the values."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY


_translated = _Translation()


class SqliteConnection:
    """A connection with a thread of its own."""

    def __init__(self, driver: aiosqlite.Connection) -> None:
        self._driver = driver
        self._is_interrupted = False  # whether a cancelled step may still run in the thread
        self._steps_left: float = inf

    @classmethod
    async def open(cls, path: str, *, busy_seconds: float) -> Self:
        """Open a file. Raises Unavailable."""
        with _translated:
            return cls(
                await aiosqlite.connect(
                    path, isolation_level=None, timeout=busy_seconds, cached_statements=256
                )
            )

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        await self.fetch(sql, *values)

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows: `into` is a table and its columns, `on_conflict` an ON CONFLICT clause.

        Returns how many were inserted.
        """
        inserted = 0
        with _translated:
            for rows_per_step in ROWS_AT_ONCE:
                count = len(rows) // rows_per_step
                if count:
                    sql = _insert_sql(into, len(rows[0]), rows_per_step, on_conflict)
                    cursor = await self._driver.executemany(
                        sql, _flattened(rows, rows_per_step, count)
                    )
                    inserted += cursor.rowcount
                    rows = rows[rows_per_step * count :]
        return inserted

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        with _translated:
            await self._driver.executemany(_with_numbered_parameters(sql), rows)

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound no more of them than it takes.

        Raises TookTooLong where steps are bounded.
        """
        try:
            with _translated:
                await self._finish_interrupted()
                # The driver has no step of its own that ends before the last row.
                step = self._driver._execute(
                    self._read, _with_numbered_parameters(sql), values, bound
                )
                return await self._run(step)
        except Unavailable as error:
            if self._steps_left < 0:
                raise TookTooLong("the read has taken as many steps as it may") from error
            raise

    def _read(self, sql: str, values: Sequence[object], bound: Bound | None) -> list[Row]:
        cursor = self._driver._conn.execute(sql, values)
        return cursor.fetchall() if bound is None else bound.take(cursor)

    @contextmanager
    def bounded(self, steps: int) -> Iterator[None]:
        """Interrupt queries in the block after about `steps` steps of SQLite's virtual machine.

        Only for a connection that counts them (`count_steps`).
        """
        self._steps_left = steps
        try:
            yield
        finally:
            self._steps_left = inf

    async def count_steps(self) -> None:
        """Count steps from now on, so that they can be bounded."""
        with _translated:
            await self._driver.set_progress_handler(self._count, COUNTED_STEPS)

    def _count(self) -> bool:
        """Count steps, in the thread; return whether SQLite interrupts the statement."""
        self._steps_left -= COUNTED_STEPS
        return self._steps_left < 0

    async def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        with _translated:
            await self._finish_interrupted()
            # Whether there is one is known in the thread only: SQLite ends it by itself after
            # some errors.
            await self._run(self._driver.rollback())

    async def close(self) -> None:
        """Interrupt what is running, and close the connection."""
        with suppress(StorageError), _translated:
            await self._finish_interrupted()
        await self._driver.close()

    async def _run(self, step: Awaitable[_Result]) -> _Result:
        """Wait for a step; interrupt it on cancellation."""
        try:
            return await step
        except asyncio.CancelledError:
            # Others may want the connection, and the thread of the driver goes on by itself.
            self._is_interrupted = True
            await self._interrupt()
            raise

    async def _finish_interrupted(self) -> None:
        """Wait until an interrupted step has ended, and roll back its transaction."""
        if not self._is_interrupted:
            return
        ended = asyncio.ensure_future(self._driver.rollback())
        while not ended.done():
            # The step may have begun only after the last interrupt.
            await self._interrupt()
            await asyncio.wait({ended}, timeout=INTERRUPT_SECONDS)
        self._is_interrupted = False
        ended.result()

    async def _interrupt(self) -> None:
        with suppress(ValueError, sqlite3.Error):
            await self._driver.interrupt()


@lru_cache(CACHED_SQL_MAX)
def _insert_sql(into: str, columns: int, rows: int, on_conflict: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {on_conflict}"  # noqa: S608


def _flattened(rows: Sequence[Sequence[object]], many: int, count: int) -> list[list[object]]:
    """Return the values of so many rows each, so many times."""
    starts = range(0, many * count, many)
    return [list(chain.from_iterable(rows[start : start + many])) for start in starts]


@lru_cache(CACHED_SQL_MAX)
def _with_numbered_parameters(sql: str) -> str:
    return _PARAMETER.sub(r"?\1", sql)
