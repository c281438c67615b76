"""A PostgreSQL database that records its statements, and the plans of statements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from storage.postgres.engine.connection import PostgresConnection
from storage.postgres.engine.database import PostgresDatabase
from storage.postgres.options import PostgresOptions
from storage.sql.database import Bound, Row
from storage.sql.migrate import migrate
from storage.sql.store import open_store
from support.whole_store import read_and_write

#: Tables whose rows belong to archives.
OF_ARCHIVES = frozenset(
    {
        "archive",
        "fulltext",
        "names",
        "links",
        "counters",
        "conversations",
        "journal",
        "old_ids",
    }
)

_PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass
class Statements:
    """The texts of statements, each with the values of its first run."""

    values: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def add(self, sql: str, values: Sequence[object]) -> None:
        if sql.split(maxsplit=1)[0] in _PLANNED:
            self.values.setdefault(sql, tuple(values))


class RecordingDatabase(PostgresDatabase):
    """A database that records the statements of its stores."""

    def __init__(self, url: str, options: PostgresOptions) -> None:
        super().__init__(url, options)
        self.statements = Statements()

    def wrap(self, driver: Any) -> PostgresConnection:
        return _RecordingConnection(driver, self.statements)


class _RecordingConnection(PostgresConnection):
    def __init__(self, driver: Any, statements: Statements) -> None:
        super().__init__(driver)
        self._statements = statements

    async def execute(self, sql: str, *values: object) -> None:
        self._statements.add(sql, values)
        await super().execute(sql, *values)

    async def change(self, sql: str, *values: object) -> int:
        self._statements.add(sql, values)
        return await super().change(sql, *values)

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        values = list(rows)
        if values:
            self._statements.add(sql, values[0])
        await super().executemany(sql, values)

    async def fetch(self, sql: str, *values: object, bound: Bound | None = None) -> list[Row]:
        self._statements.add(sql, values)
        return await super().fetch(sql, *values, bound=bound)


async def statements_of(url: str, **options: Any) -> Statements:
    """Return the statements of a store all of whose methods are used."""
    database = RecordingDatabase(url, PostgresOptions(**options))
    await database.connect()
    try:
        await migrate(database)
        database.statements.values.clear()
        storage = await open_store(database)
        for n in (1, 2):
            await read_and_write(storage, n)
        await storage.check()
    finally:
        await database.close()
    return database.statements


class Planner:
    """Asks a server how it would run statements."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def plan(self, sql: str, values: Sequence[object]) -> dict[str, Any]:
        """Return the plan for these values."""
        text = await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values)
        return dict(json.loads(text)[0]["Plan"])

    async def run(self, sql: str, values: Sequence[object]) -> dict[str, Any]:
        """Run a statement, and return its plan with the numbers of rows and blocks."""
        explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)"
        text = await self._connection.fetchval(f"{explain} {sql}", *values)
        return dict(json.loads(text)[0]["Plan"])

    async def generic_plan(self, sql: str) -> dict[str, Any]:
        """Return the plan that serves for all values."""
        await self._connection.execute("SET plan_cache_mode = force_generic_plan")
        try:
            await self._connection.execute(f"PREPARE planned AS {sql}")
            count = max(map(int, re.findall(r"\$(\d+)", sql)), default=0)
            values = f"({', '.join(['NULL'] * count)})" if count else ""
            text = await self._connection.fetchval(
                f"EXPLAIN (FORMAT JSON) EXECUTE planned{values}"
            )
        finally:
            await self._connection.execute("DEALLOCATE planned; RESET plan_cache_mode")
        return dict(json.loads(text)[0]["Plan"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
