"""Opens a store in PostgreSQL, and examines one without changing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.postgres.engine.database import PostgresDatabase
from storage.postgres.options import PostgresOptions
from storage.sql.migrate import Migration, migrate, pending
from storage.sql.store import SqlStorage, open_store, stored_key

#: The beginning of the URL of a database.


@asynccontextmanager
async def open_postgres(url: str, options: PostgresOptions) -> AsyncIterator[SqlStorage]:
    """Open a database as `storage.open.open_storage` says."""
    database = await PostgresDatabase.open(url, options)
    try:
        if await database.has_tables() and await _pending(database):
            database.refuse_migration()
        await migrate(database)
        storage = await open_store(database)
        await database.share()
        yield storage
    finally:
        await database.close()


async def examine(url: str, options: PostgresOptions) -> str:
    """Return a few words about a database, as `storage.open.examine` says."""
    database = await PostgresDatabase.open(url, options)
    try:
        await database.refuse_name_in_use()
        if not await database.has_tables():
            return f"{database.shown_url}: its tables will be created"
        lacking = await _pending(database)
        if lacking:
            count = len(lacking)
            return f"{database.shown_url}, {count} pending migration{'' if count == 1 else 's'}"
        async with database.read() as connection:
            await stored_key(connection)
        return f"{database.shown_url}, up to date"
    finally:
        await database.close()


@asynccontextmanager
async def open_unchanged(url: str, options: PostgresOptions) -> AsyncIterator[SqlStorage | None]:
    """Open a database as `storage.open.open_unchanged` says."""
    database = await PostgresDatabase.open(url, options)
    try:
        key = None
        if await database.has_tables() and not await _pending(database):
            async with database.read() as connection:
                key = await stored_key(connection)
        yield None if key is None else await open_store(database)
    finally:
        await database.close()


async def _pending(database: PostgresDatabase) -> list[Migration]:
    async with database.read() as connection:
        return await pending(connection, database.name)
