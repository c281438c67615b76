"""Reads that take no longer than a glance are made on the spot, all others in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.builders import ALICE, entries, entry
from support.databases import ENDLESS, open_database

from storage.archive import SqlArchive
from storage.database import Row
from storage.errors import Rejected, Unavailable
from storage.ids import KEY_BYTES, Ids
from storage.rows import ANY, Filter, Phrase
from storage.sqlite import READERS, SqliteDatabase

#: Some hundred times as long as a glance.
LONG = ENDLESS.replace("FROM n)", "FROM n WHERE x < 3000000)")

SEARCH = Filter(phrases=(Phrase(words=("hello",)),))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path / "archive.db") as database:
        yield database


@pytest.fixture
async def archive(database: SqliteDatabase) -> SqlArchive:
    archive = SqlArchive(database, Ids(bytes(KEY_BYTES)))
    await archive.append(entries(3))
    return archive


async def is_at_once(reading: Coroutine[Any, Any, object]) -> bool:
    """Whether something ends when all others have had one turn; it is waited for."""
    task = asyncio.ensure_future(reading)
    # Its first turn, and its second.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    at_once = task.done()
    await task
    return at_once


async def fetched(database: SqliteDatabase, sql: str, *values: object) -> list[Row]:
    async with database.read() as connection:
        return await connection.fetch(sql, *values)


async def test_a_page_is_read_on_the_spot(archive: SqlArchive) -> None:
    assert await is_at_once(archive.page(ALICE, ANY, limit=10, counted=True))
    assert await is_at_once(archive.page_by_time(ALICE, ANY, limit=10, newest=True))


async def test_a_search_is_made_in_a_thread(archive: SqlArchive) -> None:
    assert not await is_at_once(archive.page(ALICE, SEARCH, limit=10))
    assert not await is_at_once(archive.count(ALICE, SEARCH))


async def test_who_reads_all_the_time_lets_others_go_on(archive: SqlArchive) -> None:
    async with asyncio.timeout(30):
        writing = asyncio.create_task(archive.append([entry("later")]))
        while not writing.done():
            await archive.page(ALICE, ANY, limit=10)


async def test_others_go_on_while_a_long_read_is_made(database: SqliteDatabase) -> None:
    assert not await is_at_once(fetched(database, LONG))
    assert await fetched(database, LONG) == [(3_000_000,)]


async def test_a_snapshot_stays_one_behind_a_long_read(
    database: SqliteDatabase, archive: SqlArchive
) -> None:
    count = "SELECT count(*) FROM archive"
    async with database.snapshot() as connection:
        before = await connection.fetch(count)
        await archive.append([entry("later")])
        await connection.fetch(LONG)

        assert await connection.fetch(count) == before == [(3,)]
    assert await fetched(database, count) == [(4,)]


@pytest.mark.parametrize("turns", [1, 2, 5, 20, 500])
async def test_a_connection_serves_on_behind_a_read_that_was_broken_off(
    database: SqliteDatabase, turns: int
) -> None:
    async def endless() -> None:
        async with database.snapshot() as connection:
            await connection.fetch(ENDLESS)

    async with asyncio.timeout(30):
        for _ in range(5):
            task = asyncio.create_task(endless())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await fetched(database, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("turns", range(1, 12))
async def test_who_reads_behind_a_snapshot_that_was_broken_off_sees_what_is_new(
    database: SqliteDatabase, archive: SqlArchive, turns: int
) -> None:
    async def old() -> None:
        async with database.snapshot(is_long=True) as connection:
            await connection.fetch("SELECT count(*) FROM archive")

    reading = [asyncio.create_task(old()) for _ in range(READERS)]
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await archive.append([entry("later")])

    for _ in range(READERS):
        assert await fetched(database, "SELECT count(*) FROM archive") == [(4,)]


async def test_errors_are_the_same_at_a_glance(database: SqliteDatabase) -> None:
    with pytest.raises(Unavailable, match="no such table"):
        await fetched(database, "SELECT 1 FROM absent")
    with pytest.raises(Rejected):
        await fetched(database, "SELECT $1", 2**63)
