"""Reads the database of another server, without writing to it: SQLite, PostgreSQL or MySQL.

Statements have the parameters `$1`, `$2`... in this order, and names in double quotes.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import asyncpg

from component.core.importing.records import BadSource

SQLITE, POSTGRESQL, MYSQL = "sqlite:", "postgresql://", "mysql://"

#: The maximum size of a value in bytes: no stanza is larger.
VALUE_MAX = 16 * 1024 * 1024

#: Seconds that a connection may take to be made.
CONNECT_SECONDS = 10.0

_PARAMETER = re.compile(r"\$(\d+)")

Row = Sequence[Any]


class ForeignDatabase(Protocol):
    """A database that is only read."""

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        """Return the rows of a query. Raises BadSource."""
        ...

    async def columns(self, table: str) -> frozenset[str]:
        """Return the names of the columns of a table, none if there is no such table."""
        ...

    def behind(self, key: Sequence[str]) -> str:
        """Return the condition for the rows behind a place, in the order of the columns of a key.

        The values of the place are the parameters from `$1` on.
        """
        ...


@asynccontextmanager
async def open_database(url: str, password: str | None = None) -> AsyncIterator[ForeignDatabase]:
    """Open a database by its URL. Raises BadSource."""
    if url.startswith(SQLITE):
        opened: Any = _open_sqlite(url.removeprefix(SQLITE))
    elif url.startswith(POSTGRESQL):
        opened = _open_postgres(url, password)
    elif url.startswith(MYSQL):
        opened = _open_mysql(url, password)
    else:
        raise BadSource(
            f"{url.partition(':')[0]}: this is not the URL of a database: write {SQLITE}PATH,"
            f" {POSTGRESQL}USER@HOST/DATABASE or {MYSQL}USER@HOST/DATABASE"
        )
    async with opened as database:
        yield database


def shown(url: str) -> str:
    """Return a URL without a password."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1@", url).partition("?")[0]


def _behind_row(key: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in key)
    parameters = ", ".join(f"${number}" for number in range(1, len(key) + 1))
    return f"({names}) > ({parameters})"


class _Sqlite:
    """A file, read in threads; `sqlite3` is enough, because no other task waits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        def read() -> list[Row]:
            return self._connection.execute(_PARAMETER.sub(r"?\1", sql), values).fetchall()

        try:
            return await asyncio.to_thread(read)
        except sqlite3.Error as error:
            raise BadSource(f"the database cannot be read: {error}") from error

    async def columns(self, table: str) -> frozenset[str]:
        # A view could be made of anything, so only a table counts.
        rows = await self.fetch(
            "SELECT info.name FROM sqlite_schema AS place, pragma_table_info(place.name) AS info"
            " WHERE place.type = 'table' AND place.name = $1",
            table,
        )
        return frozenset(row[0] for row in rows)

    def behind(self, key: Sequence[str]) -> str:
        return _behind_row(key)


@asynccontextmanager
async def _open_sqlite(path: str) -> AsyncIterator[ForeignDatabase]:
    connection = await asyncio.to_thread(_connect_sqlite, path)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_MAX)
        # A text that is not UTF-8 is refused where the stanza is parsed.
        connection.text_factory = lambda text: text.decode(errors="surrogateescape")
        connection.execute("PRAGMA trusted_schema = OFF")
        yield _Sqlite(connection)
    except sqlite3.Error as error:
        raise BadSource(f"{path}: {error}") from error
    finally:
        connection.close()


def _connect_sqlite(name: str) -> sqlite3.Connection:
    path = Path(name).absolute()
    if not path.is_file():
        raise BadSource(f"{path}: there is no such file")
    try:
        return sqlite3.connect(
            f"{path.as_uri()}?mode=ro", uri=True, timeout=10, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise BadSource(f"{path}: {error}") from error


class _Postgres:
    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        try:
            return [tuple(row) for row in await self._connection.fetch(sql, *values)]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise BadSource(f"the database cannot be read: {error}") from error

    async def columns(self, table: str) -> frozenset[str]:
        rows = await self.fetch(
            "SELECT CAST(attname AS text)"
            " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"
            " AND relkind IN ('r', 'p')",
            table,
        )
        return frozenset(row[0] for row in rows)

    def behind(self, key: Sequence[str]) -> str:
        return _behind_row(key)


@asynccontextmanager
async def _open_postgres(url: str, password: str | None) -> AsyncIterator[ForeignDatabase]:
    try:
        connection = await asyncpg.connect(
            url,
            password=password,
            timeout=CONNECT_SECONDS,
            server_settings={
                "application_name": "muniment import",
                "default_transaction_read_only": "on",
            },
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        raise BadSource(f"{shown(url)}: {error}") from error
    try:
        yield _Postgres(connection)
    finally:
        await connection.close(timeout=5)


class _MySql:
    def __init__(self, connection: Any, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    async def fetch(self, sql: str, *values: object) -> Sequence[Row]:
        # Its parameters have no numbers: each one is repeated where it is used.
        order = [int(number) for number in _PARAMETER.findall(sql)]
        sql = _PARAMETER.sub("%s", sql.replace("%", "%%").replace('"', "`"))
        try:
            async with self._connection.cursor() as cursor:
                await cursor.execute(sql, [values[number - 1] for number in order])
                rows: Sequence[Row] = await cursor.fetchall()
        except Exception as error:  # the driver has no common class for all of its errors
            raise BadSource(f"the database cannot be read: {error}") from error
        return rows

    async def columns(self, table: str) -> frozenset[str]:
        rows = await self.fetch(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = $1 AND table_name = $2",
            self._schema,
            table,
        )
        return frozenset(row[0] for row in rows)

    def behind(self, key: Sequence[str]) -> str:
        # MySQL and MariaDB use no index to compare rows of several values: each page would be read
        # from the start.
        equal, alternatives = "", []
        for number, name in enumerate(key, 1):
            alternatives.append(f'{equal}"{name}" > ${number}')
            equal += f'"{name}" = ${number} AND '
        return f"({' OR '.join(alternatives)})"


@asynccontextmanager
async def _open_mysql(url: str, password: str | None) -> AsyncIterator[ForeignDatabase]:
    try:
        import aiomysql
    except ImportError as error:
        raise BadSource(
            "the driver of MySQL is not installed: pip install 'aiomysql~=0.3'"
        ) from error
    parts = urlsplit(url)
    schema = parts.path.removeprefix("/")
    try:
        connection = await aiomysql.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=password or unquote(parts.password or ""),
            db=schema,
            charset="utf8mb4",
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        )
    except Exception as error:  # the driver has no common class for all of its errors
        raise BadSource(f"{shown(url)}: {error}") from error
    try:
        yield _MySql(connection, schema)
    finally:
        connection.close()
