"""Databases as the stores have them, for what is below the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.sqlite.engine.database import SqliteDatabase
from storage.sqlite.engine.migrate import migrate

#: A query that has no end.
ENDLESS = "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@asynccontextmanager
async def open_database(
    path: Path | str, *, synchronous: str = "normal"
) -> AsyncIterator[SqliteDatabase]:
    """Open or make a database with the schema of this program."""
    database = await SqliteDatabase.open(str(path), synchronous=synchronous)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()
