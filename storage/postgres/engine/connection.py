"""A connection to PostgreSQL, with the errors of `storage.errors`.

Only the modules of this package import asyncpg.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from storage.errors import Rejected, Unavailable
from storage.postgres.engine.notifications import NOTIFY, payloads
from storage.postgres.index import PostgresIndex
from storage.processes import Topic
from storage.sql.database import Bound, Row

#: Errors that the values of a statement cause.
_VALUES = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    # An index takes keys of up to 2,700 bytes.
    asyncpg.ProgramLimitExceededError,
    OverflowError,
    UnicodeEncodeError,
)

#: A query whose rows end where `Bound.take` ends them. PostgreSQL knows the length of a text
#: without reading the text, so it reads no text of a row that is left out.
_BOUNDED = """
SELECT {columns} FROM (
    SELECT *, row_number() OVER () AS bounded_number,
        sum(octet_length({column})) OVER (ROWS UNBOUNDED PRECEDING) - octet_length({column})
            AS bounded_before
    FROM ({sql}) AS unbounded
) AS bounded
WHERE bounded_number <= 2 OR bounded_before <= {bytes}
"""


@contextmanager
def translated() -> Iterator[None]:
    """Translate errors of the driver to `storage.errors`."""
    try:
        yield
    except _VALUES as error:
        if _is_primary_key_conflict(error):
            raise Unavailable(describe(error)) from error
        # The text of the driver may quote the value.
        raise Rejected(f"a value does not fit its column ({type(error).__name__})") from None
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
        TimeoutError,
    ) as error:
        raise Unavailable(describe(error)) from error


def describe(error: BaseException) -> str:
    """Return the text of an error of the driver without its details, which may quote values."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = str(error.args[0]) if error.args and not isinstance(error, OSError) else str(error)
    return text or type(error).__name__


def _is_primary_key_conflict(error: BaseException) -> bool:
    """Return whether a primary key exists already: this program is wrong then, not the values."""
    name = getattr(error, "constraint_name", None) or ""
    return isinstance(error, asyncpg.UniqueViolationError) and name.endswith("_pkey")


#: A connection of the driver, from a pool or not.
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


#: The INSERT statements of tables with their columns, and the queries with a bound, by the query
#: and the column. All databases share them. There are few, because no statement contains a value.
_inserts: dict[str, str] = {}
_bounded: dict[tuple[str, int], str] = {}


class PostgresConnection:
    """`storage.sql.database.Connection` over one connection of the driver."""

    index = PostgresIndex()

    def __init__(self, driver: Driver, channel: str = "") -> None:
        """`channel` is that of the processes that use the store; "": this one is alone."""
        self._driver = driver
        self._channel = channel

    @property
    def driver(self) -> Driver:
        return self._driver

    @property
    def is_closed(self) -> bool:
        return bool(self._driver.is_closed())

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement."""
        with translated():
            await self._driver.execute(sql, *values)

    async def change(self, sql: str, *values: object) -> int:
        """Run a statement and return the number of rows that it has changed."""
        with translated():
            status: str = await self._driver.execute(sql, *values)
        # Such as "DELETE 3".
        return int(status.rpartition(" ")[2])

    async def insert(
        self, into: str, rows: Sequence[Sequence[object]], *, on_conflict: str = ""
    ) -> int:
        """Insert rows by one statement and return the number of inserted ones."""
        if not rows:
            return 0
        with translated():
            sql = f"{await self._insert_sql(into)} {on_conflict}"
        return await self.change(sql, *map(list, zip(*rows, strict=True)))

    async def _insert_sql(self, into: str) -> str:
        """Return an INSERT statement whose values are one array for each column."""
        sql = _inserts.get(into)
        if sql is None:
            placeholders = [f"${n}" for n in range(1, into.count(",") + 2)]
            prepared = await self._driver.prepare(
                f"INSERT INTO {into} VALUES ({', '.join(placeholders)})"  # noqa: S608 - constant words
            )
            arrays = ", ".join(
                f"CAST({placeholder} AS {type.name}[])"
                for placeholder, type in zip(placeholders, prepared.get_parameters(), strict=True)
            )
            sql = f"INSERT INTO {into} SELECT * FROM unnest({arrays})"  # noqa: S608
            _inserts[into] = sql
        return sql

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each row of values, in one round trip."""
        if values := list(rows):
            with translated():
                await self._driver.executemany(sql, values)

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        """Run a query and return its rows, with a bound only the rows that it takes."""
        with translated():
            if bound is not None:
                sql = await self._bounded_sql(sql, bound, len(values))
                values = (*values, bound.bytes)
            return cast(list[Row], await self._driver.fetch(sql, *values))

    async def fetch_replanned(self, sql: str, *values: object) -> list[Row]:
        """Run a query with a plan for the tables as they are now."""
        with translated():
            # A statement that the driver keeps may have the plan of an empty table, by which
            # PostgreSQL would read the whole of a large archive.
            return cast(list[Row], await (await self._driver.prepare(sql)).fetch(*values))

    async def _bounded_sql(self, sql: str, bound: Bound, count: int) -> str:
        """Return a query with a bound, whose bytes are the value behind the `count` of the query.

        A cursor would stop at the bound too, but it takes several round trips.
        """
        bounded = _bounded.get((sql, bound.column))
        if bounded is None:
            attributes = (await self._driver.prepare(sql)).get_attributes()
            names = [attribute.name for attribute in attributes]
            bounded = _bounded[sql, bound.column] = _BOUNDED.format(
                columns=", ".join(names),
                column=names[bound.column],
                sql=sql,
                bytes=f"${count + 1}",
            )
        return bounded

    async def notify(self, topic: Topic, keys: Iterable[str] = ()) -> None:
        """Tell the other processes of a change, once the transaction is committed."""
        if self._channel:
            for payload in payloads(topic, keys):
                await self.execute(NOTIFY, self._channel, payload)

    async def begin(self, options: str = "") -> None:
        """Begin a transaction."""
        await self.execute(f"BEGIN {options}")

    async def rollback(self) -> None:
        """Undo the open transaction, if there is one; close the connection if that fails."""
        try:
            with translated():
                # The driver knows the state of the transaction from the server.
                if not self.is_closed and self._driver.is_in_transaction():
                    await self._driver.execute("ROLLBACK")
        except BaseException:
            self._driver.terminate()
            raise

    async def close(self, seconds: float) -> None:
        """Close the connection, by force after some time."""
        try:
            await self._driver.close(timeout=seconds)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            self._driver.terminate()
        except asyncio.CancelledError:
            self._driver.terminate()
            raise
