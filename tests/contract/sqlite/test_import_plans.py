"""An import takes the same time for each message, however large the archive is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.open import open_storage
from storage.sql.moving import importing
from storage.sql.store import SqlStorage


@pytest.fixture
async def storage() -> AsyncIterator[SqlStorage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


@pytest.mark.parametrize(
    ("sql", "count", "plan"),
    [
        (importing._PRESENT, 9, "archive_dedup_key (owner=? AND dedup_key=?)"),
        (importing._LATE, 3, "PRIMARY KEY (owner=? AND sequence>?)"),
    ],
)
async def test_statement_of_an_import_uses_an_index(
    storage: SqlStorage, sql: str, count: int, plan: str
) -> None:
    async with storage.database.read() as connection:
        rows = await connection.fetch(f"EXPLAIN QUERY PLAN {sql}", *range(count))

    assert rows[0][3].endswith(plan)
