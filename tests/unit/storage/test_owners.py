"""What is known of archives from memory is never of one that was erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.builders import ALICE, entry, everything, texts
from support.databases import open_database

from storage.sqlite.engine.database import MEMORY
from storage.sqlite.engine.protocols import Connection, Row
from storage.sqlite.messages.archive import SqliteArchive
from storage.sqlite.messages.ids import KEY_BYTES, Ids
from storage.sqlite.messages.owners import Owners


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    async with open_database(MEMORY) as database, database.read() as connection:
        yield connection


async def made(connection: Connection) -> int:
    """Make an archive without telling anybody, and return its number."""
    await connection.execute("INSERT INTO owners (jid) VALUES ($1)", ALICE)
    [row] = await connection.fetch("SELECT max(number) FROM owners")
    return int(row[0])


async def erased(connection: Connection) -> None:
    await connection.execute("DELETE FROM owners")


async def test_a_forgotten_archive_has_the_number_of_its_successor(
    connection: Connection,
) -> None:
    owners = Owners()
    await owners.get_or_create(connection, [ALICE])
    before = await owners.look_up(connection, ALICE)
    await erased(connection)
    owners.forget(ALICE)
    after = await made(connection)

    assert before != after
    assert await owners.look_up(connection, ALICE) == after
    assert await owners.find(connection, ALICE) == after


async def test_a_number_that_was_read_before_an_erasure_is_not_kept(
    connection: Connection,
) -> None:
    owners = Owners()
    before = await made(connection)
    looking = asyncio.create_task(owners.look_up(connection, ALICE))
    await asyncio.sleep(0)
    owners.forget(ALICE)
    assert await looking == before
    await erased(connection)
    after = await made(connection)

    assert await owners.look_up(connection, ALICE) == after


async def test_an_archive_that_is_not_there_has_no_number(connection: Connection) -> None:
    owners = Owners()

    assert await owners.look_up(connection, ALICE) == await owners.find(connection, ALICE) == 0


class Heard:
    """A connection, and for whom it was asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.insert = connection.insert
        self.asked: list[object] = []

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        self.asked += values
        return await self._connection.fetch(sql, *values)


async def test_who_was_not_asked_for_longest_is_forgotten_first(connection: Connection) -> None:
    owners, heard = Owners(2), Heard(connection)

    async def meet(who: str) -> None:
        await owners.get_or_create(heard, [who])

    async def look_up(who: str) -> None:
        await owners.look_up(heard, who)

    for ask in (meet, look_up):
        for who in "abac":
            await ask(who)
        heard.asked.clear()
        for who in "acb":
            await ask(who)

        assert heard.asked == ["b"]


async def test_a_batch_of_more_archives_than_are_kept_in_memory_is_written(
    tmp_path: Path,
) -> None:
    names = [f"{n}@example.org" for n in range(7)]
    async with open_database(tmp_path / "archive.db") as database:
        archive = SqliteArchive(database, Ids(bytes(KEY_BYTES)), cached_owners_max=2)
        rows = [[entry((time, name), owner=name) for name in names] for time in range(3)]
        await archive.append([*rows[0], *rows[1]])
        await archive.append(rows[2])

        kept = [texts(await everything(archive, name)) for name in names]
    assert kept == [texts([row[n] for row in rows]) for n in range(len(names))]
