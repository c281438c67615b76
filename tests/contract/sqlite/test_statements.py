"""No value is in the text of a statement: requests with other values cause no new statements."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.whole_store import read_and_write

from storage.open import open_storage
from storage.sql.store import SqlStorage
from storage.sqlite.engine.connection import _insert_sql
from storage.sqlite.engine.dialect import translated


@pytest.fixture
async def storage() -> AsyncIterator[SqlStorage]:
    async with open_storage("sqlite::memory:") as opened:
        yield opened


async def test_statements_do_not_depend_on_values(storage: SqlStorage) -> None:
    for n in (1, 2):
        await read_and_write(storage, n)
    before = translated.cache_info().misses, _insert_sql.cache_info().misses

    for n in range(3, 12):
        await read_and_write(storage, n)

    assert (
        translated.cache_info().misses,
        _insert_sql.cache_info().misses,
    ) == before
