"""The steps of SQLite's machine and its statements, by which a test tells what something costs."""

from __future__ import annotations

from collections.abc import Callable

from storage.sqlite.engine.database import SqliteDatabase


async def watch(
    database: SqliteDatabase,
    step: Callable[[], object],
    every: int,
) -> None:
    """Have something called after every so many steps that a database takes; none are bounded."""
    for connection in database._connections:
        await connection._driver.set_progress_handler(lambda: step() and None, every)


async def listen(database: SqliteDatabase, heard: Callable[[str], object]) -> None:
    """Have something called with each statement that a database is given."""

    def traced(sql: str) -> None:
        # What a full text index asks its own tables for is told with this before it.
        if not sql.startswith("--"):
            heard(sql)

    for connection in database._connections:
        await connection._driver.set_trace_callback(traced)
