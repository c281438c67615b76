"""The steps of SQLite's machine, by which a test tells what a query looks at."""

from __future__ import annotations

from collections.abc import Callable

from storage.sqlite import SqliteDatabase


async def watch(
    database: SqliteDatabase,
    step: Callable[[], object],
    every: int,
) -> None:
    """Have something called after every so many steps that a database takes; none are bounded."""
    for connection in database._connections:
        await connection._driver.set_progress_handler(lambda: step() and None, every)
