"""What the stores need of a database: transactions, `$1` parameters, rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Row = Sequence[Any]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound of the bytes of one text column, over all rows of a page."""

    bytes: int
    column: int

    def fit(self, rows: Iterable[Row]) -> int:
        """Return how many of the first rows are within the bound, at least 1 if there are rows."""
        count, left = 0, self.bytes
        for row in rows:
            left -= _size(row[self.column])
            if left < 0 and count:
                break
            count += 1
        return count

    def take(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that fit and one more, if there is one; read no further than that."""
        taken: list[Row] = []
        left = self.bytes
        for row in rows:
            taken.append(row)
            left -= _size(row[self.column])
            if left < 0 and len(taken) > 1:
                break
        return taken


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Connection(Protocol):
    """One connection; every call raises only `storage.errors`."""

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        ...

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows: `into` is a table and its columns, `on_conflict` an ON CONFLICT clause.

        Returns how many were inserted.
        """
        ...

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        ...

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound no more of them than it takes."""
        ...


class Database(Protocol):
    """An engine: the backends differ here and nowhere else."""

    @property
    def name(self) -> str:
        """The name of the engine, and of its folder of migrations."""
        ...

    def write(self) -> AbstractAsyncContextManager[Connection]:
        """Open a transaction: committed and durable at the end, undone by any exception.

        A step that is cancelled ends it: nothing may be done in it any more.
        """
        ...

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection that sees all that was committed, for what is known to be short."""
        ...

    async def read_archive(
        self,
        owner: str,
        job: Callable[[Connection], Awaitable[Result]],
        *,
        is_steady: bool = False,
        is_long: bool = False,
    ) -> Result:
        """Run a job that reads one archive, and return what it returns.

        `is_steady`: all of the job sees one and the same moment. A step that is cancelled ends
        the job. `is_long` is said of a search, whose cost nobody knows before. Where any other job
        turns out to be long it is begun anew as such a one. Long jobs have connections, turns by
        owner, and a time limit of their own. Raises TookTooLong, Busy.
        """
        ...

    async def rewrite(self) -> None:
        """Write all that is stored anew, so that the files hold nothing else.

        Writing has to wait meanwhile. Raises Unavailable.
        """
        ...

    async def cut_journal(self) -> None:
        """Truncate the write-ahead log. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Close every connection. Calling it twice is fine."""
        ...
