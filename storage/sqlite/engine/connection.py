"""A connection to an SQLite file, with `$1` parameters and the errors of `storage.errors`.

No other module imports aiosqlite.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from math import inf
from typing import Self, TypeVar

import aiosqlite

from storage.errors import Rejected, StorageError, TookTooLong, Unavailable
from storage.sql.database import Bound, Row
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

_Result = TypeVar("_Result")


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

    async def change(self, sql: str, *values: object) -> int:
        """Run a statement and return the number of rows that it has changed."""
        with _translated:
            await self._finish_interrupted()
            cursor = await self._run(self._driver.execute(translated(sql), values))
            return cursor.rowcount

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows and return the number of inserted ones.

        `into` is a table with its columns, `on_conflict` an ON CONFLICT clause.
        """
        inserted = 0
        with _translated:
            for rows_per_step in ROWS_AT_ONCE:
                count = len(rows) // rows_per_step
                if count:
                    sql = _insert_sql(into, len(rows[0]), rows_per_step, on_conflict)
                    cursor = await self._driver.executemany(
                        sql, _flatten(rows, rows_per_step, count)
                    )
                    inserted += cursor.rowcount
                    rows = rows[rows_per_step * count :]
        return inserted

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        with _translated:
            await self._driver.executemany(translated(sql), rows)

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound only the rows that it takes.

        Raises TookTooLong inside `bounded`.
        """
        try:
            with _translated:
                await self._finish_interrupted()
                # The driver has no public method that stops before the last row.
                step = self._driver._execute(
                    self._read, translated(sql), [*map(_array, values)], bound
                )
                return await self._run(step)
        except Unavailable as error:
            if self._steps_left < 0:
                raise TookTooLong("the read has used all steps that it may take") from error
            raise

    def _read(self, sql: str, values: Sequence[object], bound: Bound | None) -> list[Row]:
        cursor = self._driver._conn.execute(sql, values)
        return cursor.fetchall() if bound is None else bound.take(cursor)

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

    async def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        with _translated:
            await self._finish_interrupted()
            # SQLite itself ends a transaction after some errors, so only the thread of the driver
            # knows whether one is open.
            await self._run(self._driver.rollback())

    async def close(self) -> None:
        """Interrupt the running statement, and close the connection."""
        with suppress(StorageError), _translated:
            await self._finish_interrupted()
        await self._driver.close()

    async def _run(self, step: Awaitable[_Result]) -> _Result:
        """Wait for a step; interrupt the step on cancellation."""
        try:
            return await step
        except asyncio.CancelledError:
            # Cancellation does not stop the thread of the driver, and others wait for the
            # connection.
            self._is_interrupted = True
            await self._interrupt()
            raise

    async def _finish_interrupted(self) -> None:
        """Wait until an interrupted step has ended, and roll back its transaction."""
        if not self._is_interrupted:
            return
        ended = asyncio.ensure_future(self._driver.rollback())
        while not ended.done():
            # The step may have begun after the last interrupt.
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


def _flatten(
    rows: Sequence[Sequence[object]], rows_per_step: int, count: int
) -> list[list[object]]:
    """Return `count` lists, each with the values of the next `rows_per_step` rows."""
    starts = range(0, rows_per_step * count, rows_per_step)
    return [list(chain.from_iterable(rows[start : start + rows_per_step])) for start in starts]


def _array(value: object) -> object:
    """Return a list as JSON, and any other value as it is."""
    return json.dumps(value) if isinstance(value, list) else value
