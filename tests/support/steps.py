"""The steps of SQLite's machine, by which a test tells what a query looks at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from storage.sqlite import SqliteDatabase
from storage.sqlite_connection import SqliteConnection


async def watch(
    database: SqliteDatabase,
    monkeypatch: pytest.MonkeyPatch,
    step: Callable[[], object],
    every: int,
) -> None:
    """Have something called after every so many steps that a database takes.

    Glances count steps for themselves, so there are none: all is done in threads.
    """
    monkeypatch.setattr(SqliteConnection, "_glance", lambda *_: None)
    for connection in database._connections:
        await connection._driver.set_progress_handler(lambda: step() and None, every)
