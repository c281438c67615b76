"""What every database engine gives to the stores: transactions, `$1` parameters, rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

Row = Sequence[Any]


class Connection(Protocol):
    """One connection; every call raises only `storage.errors`."""

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        ...

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, otherwise: str = ""
    ) -> int:
        """Insert rows: `into` is a table and its columns, `otherwise` what a conflict leads to.

        Returns how many came.
        """
        ...

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values."""
        ...

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        """Run a query and return all its rows."""
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

    def read(self, *, is_long: bool = False) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection that sees all that was committed.

        `is_long` is said of what is known to take milliseconds, as a search does.
        """
        ...

    def snapshot(self, *, is_long: bool = False) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection that sees one and the same moment until it is given back.

        A step that is cancelled ends it: nothing may be read with it any more.
        """
        ...

    async def rewrite(self) -> None:
        """Write all that is stored anew, so that the files hold nothing else.

        Writing has to wait meanwhile. Raises Unavailable.
        """
        ...

    async def close(self) -> None:
        """Close every connection. Calling it twice is fine."""
        ...
