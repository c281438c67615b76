"""Reads of a large archive read few of its blocks, whatever PostgreSQL guesses about the rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from support.builders import ALICE, NOON, entry, texts
from support.postgres import Postgres
from support.postgres_trace import Planner, RecordingDatabase

from storage.open import open_storage
from storage.postgres.engine.servers import SETTINGS
from storage.postgres.options import PostgresOptions
from storage.rows import Filter, Phrase
from storage.sql.messages.statements import WALKED
from storage.sql.store import SqlStorage, open_store

MESSAGES = 30_000

FILL = f"""
INSERT INTO archive (owner, sequence, at, peer, resource, type, direction, kind, nick, dedup_key,
    xml)
SELECT 1, n, {NOON} + n, 'peer@example.net', 'r', 'chat', 'recv', 'message', '',
    decode(md5(n::text), 'hex'), n || repeat('x', 300)
FROM generate_series(2, {MESSAGES}) AS n;
INSERT INTO fulltext
SELECT 1, n, 'word' || n || ' common' || repeat(' and', 50),
    array_to_tsvector(ARRAY['word' || n, 'common', 'and', repeat('z', 200)])
FROM generate_series(2, {MESSAGES}) AS n;
UPDATE owners SET last_sequence = {MESSAGES}, messages = {MESSAGES};
ANALYZE;
"""  # noqa: S608 - numbers

#: The greatest number of blocks of a statement; the table of the archive has some 1,500.
BLOCKS_MAX = 300


async def fill(url: str) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(1, at=NOON, text="word1 common")])
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    await connection.close()


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    url = postgres.create("large_archives")
    asyncio.run(fill(url))
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[RecordingDatabase]:
    database = RecordingDatabase(url, PostgresOptions())
    await database.connect()
    yield database
    await database.close()


@pytest.fixture
async def storage(database: RecordingDatabase) -> SqlStorage:
    return await open_store(database)


async def blocks_of(url: str, database: RecordingDatabase) -> dict[str, int]:
    """Return the number of blocks that each recorded statement reads."""
    connection = await asyncpg.connect(url, server_settings=SETTINGS)
    try:
        planner = Planner(connection)
        plans = {
            sql: await planner.run(sql, values)
            for sql, values in database.statements.values.items()
        }
    finally:
        await connection.close()
    return {
        sql: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for sql, plan in plans.items()
    }


async def test_page_from_a_time_reads_no_older_messages(
    url: str, database: RecordingDatabase, storage: SqlStorage
) -> None:
    since = Filter(since=NOON + MESSAGES // 2)
    page = await storage.archive.page(ALICE, since, limit=50, counted=True)

    blocks = await blocks_of(url, database)

    assert texts(page)[0].rstrip("x") == str(MESSAGES // 2)
    assert {sql: n for sql, n in blocks.items() if n > BLOCKS_MAX} == {}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("number", [2, MESSAGES // 2, MESSAGES])
async def test_search_for_a_rare_word_reads_few_messages(
    url: str, database: RecordingDatabase, storage: SqlStorage, number: int, backwards: bool
) -> None:
    rare = Filter(phrases=(Phrase(words=(f"word{number}",)),))
    page = await storage.archive.page(ALICE, rare, limit=50, backwards=backwards, counted=True)

    blocks = await blocks_of(url, database)

    assert [text.rstrip("x") for text in texts(page)] == [str(number)]
    assert page.count == 1
    assert {sql: n for sql, n in blocks.items() if n > BLOCKS_MAX} == {}


@pytest.mark.parametrize("backwards", [False, True])
async def test_search_finds_the_nearest_matches_and_then_all_others(
    storage: SqlStorage, backwards: bool
) -> None:
    # Of the words that begin so, a few are among the rows that a search walks through first.
    prefix = Filter(phrases=(Phrase(words=("word1999",), is_prefix=True),))
    page = await storage.archive.page(ALICE, prefix, limit=50, backwards=backwards, counted=True)

    assert WALKED >= 1999
    expected = [1999, *range(19990, 20000)]
    assert [text.rstrip("x") for text in texts(page)] == list(map(str, expected))
    assert (page.complete, page.count) == (True, len(expected))


async def test_search_for_a_common_word_ends_with_its_page(storage: SqlStorage) -> None:
    common = Filter(phrases=(Phrase(words=("common",)),))
    page = await storage.archive.page(ALICE, common, limit=3, backwards=True)
    bounded = await storage.archive.page(ALICE, common, limit=3, backwards=True, max_bytes=400)

    newest = [str(MESSAGES - n) for n in (2, 1, 0)]
    assert [text.rstrip("x") for text in texts(page)] == newest
    assert [text.rstrip("x") for text in texts(bounded)] == newest[2:]
    assert not page.complete
    assert not bounded.complete
