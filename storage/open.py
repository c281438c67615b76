"""Opens a store by its URL and migrates it; the only factory of stores.

The modules of PostgreSQL are imported where they are used: a start on SQLite need not wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from storage.errors import StorageError
from storage.postgres.options import DEFAULT_OPTIONS, POSTGRESQL, PostgresOptions
from storage.sql.migrate import migrate, pending
from storage.sql.moving.copying import Side
from storage.sql.moving.tables import Tables
from storage.sql.store import SqlStorage, open_store
from storage.sqlite import open as sqlite
from storage.sqlite.engine.database import DEFAULT_TIMEOUTS, DatabaseTimeouts, SqliteDatabase
from storage.sqlite.open import SQLITE
from storage.sqlite.tables import SqliteTables

if TYPE_CHECKING:
    from storage.postgres.engine.database import PostgresDatabase


def open_storage(
    url: str,
    *,
    synchronous: str = "full",
    timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS,
    options: PostgresOptions = DEFAULT_OPTIONS,
) -> AbstractAsyncContextManager[SqlStorage]:
    """Open the store at a URL, apply its pending migrations, and close it at the end.

    The URL is `sqlite:PATH`, to which `synchronous` and `timeouts` apply, or `postgresql://...`,
    to which `options` apply. Raises Locked, NewerSchema, ChangedMigration, Unavailable, and
    StorageError for a database of another program.
    """
    if url.startswith(POSTGRESQL):
        from storage.postgres import open as postgres

        return postgres.open_postgres(url, options)
    return sqlite.open_sqlite(_path(url), synchronous=synchronous, timeouts=timeouts)


async def examine(url: str, options: PostgresOptions = DEFAULT_OPTIONS) -> str:
    """Return a few words about the state of the store, without changing it.

    Raises StorageError if `open_storage` would fail.
    """
    if url.startswith(POSTGRESQL):
        from storage.postgres import open as postgres

        return await postgres.examine(url, options)
    return await sqlite.examine(_path(url))


def open_unchanged(
    url: str, options: PostgresOptions = DEFAULT_OPTIONS
) -> AbstractAsyncContextManager[SqlStorage | None]:
    """Open a store without migrating it; yield None if it is missing or has another schema.

    Raises StorageError.
    """
    if url.startswith(POSTGRESQL):
        from storage.postgres import open as postgres

        return postgres.open_unchanged(url, options)
    return sqlite.open_unchanged(_path(url))


@asynccontextmanager
async def open_read_only(
    url: str, options: PostgresOptions = DEFAULT_OPTIONS
) -> AsyncIterator[tuple[SqlStorage, Side]]:
    """Open a store for reads, beside a Muniment that may run. Raises StorageError."""
    database: SqliteDatabase | PostgresDatabase
    tables: Tables
    if url.startswith(POSTGRESQL):
        from storage.postgres.engine.database import PostgresDatabase
        from storage.postgres.tables import PostgresTables

        database = await PostgresDatabase.open(url, replace(options, is_read_only=True))
        tables = PostgresTables()
    else:
        database = await SqliteDatabase.open_read_only(_path(url))
        tables = SqliteTables()
    try:
        async with database.read() as connection:
            if await pending(connection, database.name):
                raise StorageError("this store waits for migrations: start Muniment once")
        yield await open_store(database), Side(database, tables)
    finally:
        await database.close()


@asynccontextmanager
async def open_side(
    url: str, *, synchronous: str = "full", options: PostgresOptions = DEFAULT_OPTIONS
) -> AsyncIterator[Side]:
    """Open the database at a URL for a copy, apply its pending migrations, and close it.

    Raises as `open_storage` does.
    """
    database: SqliteDatabase | PostgresDatabase
    tables: Tables
    if url.startswith(POSTGRESQL):
        from storage.postgres.engine.database import PostgresDatabase
        from storage.postgres.tables import PostgresTables

        database = await PostgresDatabase.open(url, options)
        tables = PostgresTables()
    else:
        database = await SqliteDatabase.open(_path(url), synchronous=synchronous)
        tables = SqliteTables()
    try:
        await migrate(database)
        yield Side(database, tables)
    finally:
        await database.close()


def _path(url: str) -> str:
    if not url.startswith(SQLITE):
        raise StorageError(
            f"{url}: this is not the URL of a store,"
            f" write {SQLITE}PATH or {POSTGRESQL}USER@HOST/DATABASE"
        )
    return url.removeprefix(SQLITE)
