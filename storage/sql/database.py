"""The Protocols of a database that the stores use: transactions, `$1` parameters, rows.

The stores speak the SQL of PostgreSQL, as far as `storage/sqlite/engine/dialect.py` translates it
for SQLite. A value may be a list: `= ANY($1)` compares with its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from storage.processes import Processes, Topic
from storage.rows import Space

if TYPE_CHECKING:
    from storage.sql.index import Index

Row = Sequence[Any]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Bound:
    """A maximum for the bytes of one text column, over all rows of a page."""

    bytes: int
    column: int

    def fit(self, rows: Iterable[Row]) -> int:
        """Return the number of rows that are within the bound, at least 1 if there are rows."""
        count, bytes_left = 0, self.bytes
        for row in rows:
            bytes_left -= _size(row[self.column])
            if bytes_left < 0 and count:
                break
            count += 1
        return count

    def take(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that fit, and one more if there is one; read no further row."""
        rows_within: list[Row] = []
        bytes_left = self.bytes
        for row in rows:
            rows_within.append(row)
            bytes_left -= _size(row[self.column])
            if bytes_left < 0 and len(rows_within) > 1:
                break
        return rows_within


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Connection(Protocol):
    """A connection; every method raises only `storage.errors`."""

    @property
    def index(self) -> Index:
        """The index of the engine."""
        ...

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        ...

    async def change(self, sql: str, *values: object) -> int:
        """Run a statement and return the number of rows that it has changed."""
        ...

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows and return the number of inserted ones.

        `into` is a table with its columns, `on_conflict` an ON CONFLICT clause.
        """
        ...

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        ...

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound only the rows that it takes."""
        ...

    async def fetch_replanned(self, sql: str, *values: object) -> list[Row]:
        """Run a query with a plan for the tables as they are now."""
        ...

    async def notify(self, topic: Topic, keys: Iterable[str] = ()) -> None:
        """Tell the other processes of a change, once the transaction is committed."""
        ...


#: Reads or writes by a connection, and awaits nothing else.
Job = Callable[[Connection], Coroutine[Any, Any, Result]]


class Database(Protocol):
    """A database with a connection that writes and connections that read."""

    @property
    def name(self) -> str:
        """The name of the engine, and of the folder in `storage` with its migrations."""
        ...

    @property
    def is_only_writer(self) -> bool:
        """Whether no other process can write as long as this database is open."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other processes may use the database too."""
        ...

    @property
    def processes(self) -> Processes:
        """The processes that use the database."""
        ...

    def write(self) -> AbstractAsyncContextManager[Connection]:
        """Open a transaction; commit it durably at the end, or roll it back after any exception.

        A cancelled step ends the transaction: do nothing else in it.
        """
        ...

    async def transact(self, job: Job[Result]) -> Result:
        """Run a job in a transaction as `write` does, and return its result.

        It is faster than `write`, where each statement is a step of its own. If several processes
        use the database, their jobs may run at once; nothing else runs beside `write`.
        """
        ...

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection for a short read; it sees everything that was committed."""
        ...

    async def read_archive(
        self,
        owner: str,
        job: Job[Result],
        *,
        in_snapshot: bool = False,
        is_long: bool = False,
    ) -> Result:
        """Run a job that reads one archive, and return the result of the job.

        With `in_snapshot`, all statements of the job see the same state of the database. A
        cancelled step ends the job. A job with `is_long`, such as a search, runs as a long read
        from the start. Any other job that takes too many steps is run again as a long read. Long
        reads have their own connections, turns for each owner, and a time limit. Raises
        TookTooLong, Busy.
        """
        ...

    async def rewrite(self) -> None:
        """Rewrite the files, so that they hold only the stored rows.

        Writes have to wait meanwhile. Raises Unavailable.
        """
        ...

    def schema(self, statement: str) -> Sequence[str]:
        """Return the statements that a statement of a migration stands for in this database."""
        ...

    async def scrub_index(self) -> None:
        """Remove the traces of removed rows from the index and from the journal of the engine.

        Messages can be written meanwhile. Raises Unavailable.
        """
        ...

    async def space(self) -> Space:
        """Return the space that the files take. Raises Unavailable."""
        ...

    async def release(self) -> bool:
        """Give some of the unused space back to the disk; return whether there may be more.

        It takes some hundredths of a second. Raises Unavailable.
        """
        ...

    async def close(self) -> None:
        """Close every connection. A second call does nothing."""
        ...
