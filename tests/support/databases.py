"""Stores that block or fail, and SQLite databases without a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.interface import Storage
from storage.sql.migrate import migrate
from storage.sqlite.engine.database import DEFAULT_TIMEOUTS, DatabaseTimeouts, SqliteDatabase
from support.probe import probe_of

#: A query that never ends.
ENDLESS = "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@asynccontextmanager
async def blocked(storage: Storage) -> AsyncIterator[None]:
    """Let every write to a store wait until the end of the block, as on a slow disk."""
    async with probe_of(storage).blocked():
        yield


@asynccontextmanager
async def read_only(storage: Storage) -> AsyncIterator[None]:
    """Let every write to a store fail until the end of the block, as on a full disk."""
    probe = probe_of(storage)
    await probe.set_read_only(True)
    try:
        yield
    finally:
        await probe.set_read_only(False)


async def has_traces(storage: Storage) -> bool:
    """Return whether the files of a store may still hold removed content."""
    return await probe_of(storage).has_traces()


@asynccontextmanager
async def open_database(
    path: Path | str,
    *,
    synchronous: str = "normal",
    timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS,
) -> AsyncIterator[SqliteDatabase]:
    """Open or create a database with the schema of this program."""
    database = await SqliteDatabase.open(str(path), synchronous=synchronous, timeouts=timeouts)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()
