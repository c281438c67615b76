"""One connection to an SQLite file: `$1` parameters, and the errors of `storage.errors`.

The only module that knows aiosqlite.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from time import perf_counter
from typing import Self, TypeVar

import aiosqlite

from storage.database import Bound, Row
from storage.errors import Rejected, StorageError, Unavailable

#: No read goes on for longer than this on the spot, where all else has to wait for it.
GLANCE_SECONDS = 0.003

#: After so many steps of SQLite's machine, some tenths of a millisecond, the clock is looked at.
GLANCE_STEPS = 5_000

#: How many rows one step inserts where there are so many. At each step the thread waits until it
#: gets the interpreter, and when that many are written others are busy with it too. And no more of
#: them: what a step was given stays in memory until the next one of its kind.
ROWS_AT_ONCE = (128, 32, 8, 1)

#: How often a step is broken off that does not end.
INTERRUPT_SECONDS = 0.1

#: Errors that come of what a statement was given.
_VALUES = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    OverflowError,
    UnicodeEncodeError,
)

_PARAMETER = re.compile(r"\$(\d+)")

_Result = TypeVar("_Result")


class _Translated:
    """Raises errors of the driver as those of `storage.errors`; one serves for all steps."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, _VALUES) and not _is_of_this_program(error):
            raise Rejected(str(error)) from error
        # aiosqlite has a ValueError for a connection that is closed.
        if isinstance(error, sqlite3.Error | ValueError):
            raise Unavailable(str(error)) from error


def _is_of_this_program(error: BaseException) -> bool:
    """Whether a key was given twice, which is no fault of the values that came with it."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY


_translated = _Translated()


class SqliteConnection:
    """A connection with a thread of its own, which reads in no more than a glance without it.

    To hand a step to a thread and back takes as long as to read a page.
    """

    def __init__(self, raw: sqlite3.Connection, driver: aiosqlite.Connection) -> None:
        self._raw = raw
        self._driver = driver
        self._is_under_way = False  # in the thread: a step that was broken off
        #: whether reads that take no longer than a glance are made on the spot
        self.is_glancing = False

    @classmethod
    async def open(cls, path: str, *, busy_seconds: float) -> Self:
        """Open a file. Raises Unavailable."""

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(
                path,
                isolation_level=None,
                timeout=busy_seconds,
                cached_statements=256,
                check_same_thread=False,
            )

        with _translated:
            raw = await asyncio.to_thread(connect)
            return cls(raw, await aiosqlite.Connection(lambda: raw, iter_chunk_size=1))

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        await self.fetch(sql, *values)

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, otherwise: str = ""
    ) -> int:
        """Insert rows: `into` is a table and its columns, `otherwise` what a conflict leads to.

        Returns how many came.
        """
        came = 0
        with _translated:
            for many in ROWS_AT_ONCE:
                count = len(rows) // many
                if count:
                    sql = _inserting(into, len(rows[0]), many, otherwise)
                    cursor = await self._driver.executemany(sql, _gathered(rows, many, count))
                    came += cursor.rowcount
                    rows = rows[many * count :]
        return came

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        with _translated:
            await self._driver.executemany(_numbered(sql), rows)

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound no more of them than it takes."""
        sql = _numbered(sql)
        with _translated:
            await self._settle()
            rows = self._glance(sql, values, bound)
            if rows is not None:
                return rows
            # The driver has no step of its own that ends before the last row.
            return await self._finished(self._driver._execute(self._read, sql, values, bound))

    def _read(self, sql: str, values: Sequence[object], bound: Bound | None) -> list[Row]:
        cursor = self._raw.execute(sql, values)
        return cursor.fetchall() if bound is None else bound.take(cursor)

    async def rollback(self) -> None:
        """Undo the open transaction, if there is one."""
        with _translated:
            await self._settle()
            if self.is_glancing:
                self._raw.rollback()
            else:
                # Whether there is one is known in the thread only: SQLite ends it by itself after
                # some errors.
                await self._finished(self._driver.rollback())

    async def close(self) -> None:
        """Close the connection, whatever comes of what is under way."""
        with suppress(StorageError), _translated:
            await self._settle()
        await self._driver.close()

    def _glance(self, sql: str, values: Sequence[object], bound: Bound | None) -> list[Row] | None:
        """Run a query on the spot; None where it takes too long for that."""
        if not self.is_glancing:
            return None
        until = perf_counter() + GLANCE_SECONDS
        self._raw.set_progress_handler(lambda: perf_counter() > until, GLANCE_STEPS)
        try:
            return self._read(sql, values, bound)
        except sqlite3.OperationalError:
            return None
        finally:
            # In the thread it would need the interpreter again and again, which others have.
            self._raw.set_progress_handler(None, 0)

    async def _finished(self, step: Awaitable[_Result]) -> _Result:
        """Wait for a step; break it off where nobody waits for it any more."""
        try:
            return await step
        except asyncio.CancelledError:
            # Others may want the connection, and the thread of the driver goes on by itself.
            self._is_under_way = True
            await self._interrupt()
            raise

    async def _settle(self) -> None:
        """Wait for the end of a step that was broken off, and of the transaction it was in."""
        if not self._is_under_way:
            return
        ended = asyncio.ensure_future(self._driver.rollback())
        while not ended.done():
            # It may have begun only after it was broken off.
            await self._interrupt()
            await asyncio.wait({ended}, timeout=INTERRUPT_SECONDS)
        self._is_under_way = False
        ended.result()

    async def _interrupt(self) -> None:
        with suppress(ValueError, sqlite3.Error):
            await self._driver.interrupt()


@cache
def _inserting(into: str, columns: int, rows: int, otherwise: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {otherwise}"  # noqa: S608


def _gathered(rows: Sequence[Sequence[object]], many: int, count: int) -> list[list[object]]:
    """Return the values of so many rows each, so many times."""
    starts = range(0, many * count, many)
    return [list(chain.from_iterable(rows[start : start + many])) for start in starts]


@cache
def _numbered(sql: str) -> str:
    return _PARAMETER.sub(r"?\1", sql)
