"""Opens a store in an SQLite file, and examines one without changing it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.errors import Unavailable
from storage.sql.migrate import migrate, migrations, pending
from storage.sql.store import SqlStorage, open_store, stored_key
from storage.sqlite.engine.database import (
    DEFAULT_TIMEOUTS,
    MEMORY,
    DatabaseTimeouts,
    SqliteDatabase,
)

#: The beginning of the URL of a file.
SQLITE = "sqlite:"

# If a process was killed at its first start, its database may have no table.
_HAS_MIGRATIONS = "SELECT 1 FROM sqlite_schema WHERE name = 'migrations'"


@asynccontextmanager
async def open_sqlite(
    path: str, *, synchronous: str = "full", timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS
) -> AsyncIterator[SqlStorage]:
    """Open a file as `storage.open.open_storage` says."""
    database = await SqliteDatabase.open(path, synchronous=synchronous, timeouts=timeouts)
    try:
        await migrate(database)
        yield await open_store(database)
    finally:
        await database.close()


async def examine(path: str) -> str:
    """Return a few words about a file, as `storage.open.examine` says."""
    if path == MEMORY:
        return "in memory only"
    if _is_new(path):
        return f"{path} will be created"
    database = await SqliteDatabase.open(path, synchronous="full")
    try:
        async with database.read() as connection:
            has_migrations = await connection.fetch(_HAS_MIGRATIONS)
            if has_migrations:
                pending_migrations = await pending(connection, database.name)
                if not pending_migrations:
                    await stored_key(connection)
            else:
                pending_migrations = migrations(database.name)
    finally:
        await database.close()
    if not pending_migrations:
        return f"{path}, up to date"
    count = len(pending_migrations)
    return f"{path}, {count} pending migration{'' if count == 1 else 's'}"


@asynccontextmanager
async def open_unchanged(path: str) -> AsyncIterator[SqlStorage | None]:
    """Open a file as `storage.open.open_unchanged` says."""
    if path == MEMORY or _is_new(path):
        yield None
        return
    database = await SqliteDatabase.open(path, synchronous="full")
    try:
        key = None
        async with database.read() as connection:
            has_migrations = await connection.fetch(_HAS_MIGRATIONS)
            if has_migrations and not await pending(connection, database.name):
                key = await stored_key(connection)
        yield None if key is None else await open_store(database)
    finally:
        await database.close()


def _is_new(path: str) -> bool:
    # For a folder that this user may not see, pathlib raises an error.
    if not os.path.isdir(Path(path).absolute().parent):  # noqa: PTH112
        raise Unavailable(f"{path}: its folder does not exist, or is hidden from this user")
    return not Path(path).exists()
