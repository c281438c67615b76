"""Traces of an SQLite database: the steps of its virtual machine, and its statements."""

from __future__ import annotations

from collections.abc import Callable

from storage.sqlite.engine.database import SqliteDatabase


async def on_steps(
    database: SqliteDatabase,
    step: Callable[[], object],
    every: int,
) -> None:
    """Call `step` after every `every` steps of the virtual machine; long reads are not bounded."""
    for connection in database._connections:
        await connection._driver.set_progress_handler(lambda: step() and None, every)


async def on_statements(database: SqliteDatabase, on_statement: Callable[[str], object]) -> None:
    """Call `on_statement` with each statement that the database runs."""

    def traced(sql: str) -> None:
        # A statement of the full-text index on its own tables begins with this.
        if not sql.startswith("--"):
            on_statement(sql)

    for connection in database._connections:
        await connection._driver.set_trace_callback(traced)
