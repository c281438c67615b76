"""Opens a store by its URL and migrates it; the only factory of stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.errors import StorageError
from storage.sql.store import SqlStorage
from storage.sqlite import open as sqlite
from storage.sqlite.engine.database import DEFAULT_TIMEOUTS, DatabaseTimeouts
from storage.sqlite.open import SQLITE


@asynccontextmanager
async def open_storage(
    url: str, *, synchronous: str = "full", timeouts: DatabaseTimeouts = DEFAULT_TIMEOUTS
) -> AsyncIterator[SqlStorage]:
    """Open the store at `sqlite:PATH`, apply its pending migrations, and close it at the end.

    Raises Locked, NewerSchema, ChangedMigration, Unavailable, and StorageError for a file of
    another program.
    """
    async with sqlite.open_sqlite(
        _path(url), synchronous=synchronous, timeouts=timeouts
    ) as storage:
        yield storage


async def examine(url: str) -> str:
    """Return a few words about the state of the store, without changing it.

    Raises StorageError if `open_storage` would fail.
    """
    return await sqlite.examine(_path(url))


@asynccontextmanager
async def open_unchanged(url: str) -> AsyncIterator[SqlStorage | None]:
    """Open a store without migrating it; yield None if it is missing or has another schema.

    Raises StorageError.
    """
    async with sqlite.open_unchanged(_path(url)) as storage:
        yield storage


def _path(url: str) -> str:
    if not url.startswith(SQLITE):
        raise StorageError(f"{url}: this is not the URL of a store, write {SQLITE}PATH")
    return url.removeprefix(SQLITE)
