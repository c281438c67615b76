"""The cache of archive numbers never returns the number of an erased archive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.builders import ALICE, entry, everything, texts
from support.databases import open_database

from storage.sql.database import Connection, Row
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sql.messages.owners import Owners
from storage.sqlite.engine.database import MEMORY


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    async with open_database(MEMORY) as database, database.read() as connection:
        yield connection


async def create(connection: Connection) -> int:
    """Create an archive behind the cache and return its number."""
    await connection.execute("INSERT INTO owners (jid) VALUES ($1)", ALICE)
    [row] = await connection.fetch("SELECT max(number) FROM owners")
    return int(row[0])


async def erase(connection: Connection) -> None:
    await connection.execute("DELETE FROM owners")


async def test_forgotten_archive_has_the_number_of_its_successor(
    connection: Connection,
) -> None:
    owners = Owners()
    await owners.get_or_create(connection, [ALICE])
    before = await owners.look_up(connection, ALICE)
    await erase(connection)
    owners.forget(ALICE)
    after = await create(connection)

    assert before != after
    assert await owners.look_up(connection, ALICE) == after
    assert await owners.find(connection, ALICE) == after


async def test_number_read_before_an_erasure_is_not_cached(
    connection: Connection,
) -> None:
    owners = Owners()
    before = await create(connection)
    look_up_task = asyncio.create_task(owners.look_up(connection, ALICE))
    await asyncio.sleep(0)
    owners.forget(ALICE)
    assert await look_up_task == before
    await erase(connection)
    after = await create(connection)

    assert await owners.look_up(connection, ALICE) == after


async def test_unknown_archive_has_number_0(connection: Connection) -> None:
    owners = Owners()

    assert await owners.look_up(connection, ALICE) == await owners.find(connection, ALICE) == 0


class RecordingConnection:
    """A connection that records the owners that are looked up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.index = connection.index
        self.execute = connection.execute
        self.change = connection.change
        self.executemany = connection.executemany
        self.insert = connection.insert
        self.looked_up: list[object] = []

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        for owners in values:
            self.looked_up += owners if isinstance(owners, list) else [owners]
        return await self._connection.fetch(sql, *values)


async def test_least_recently_used_owner_is_evicted(connection: Connection) -> None:
    owners, recording = Owners(2), RecordingConnection(connection)

    async def get_or_create(owner: str) -> None:
        await owners.get_or_create(recording, [owner])

    async def look_up(owner: str) -> None:
        await owners.look_up(recording, owner)

    for call in (get_or_create, look_up):
        for owner in "abac":
            await call(owner)
        recording.looked_up.clear()
        for owner in "acb":
            await call(owner)

        assert recording.looked_up == ["b"]


async def test_batch_of_more_archives_than_the_cache_holds_is_written(
    tmp_path: Path,
) -> None:
    names = [f"{n}@example.org" for n in range(7)]
    async with open_database(tmp_path / "archive.db") as database:
        archive = SqlArchive(database, Ids(bytes(KEY_BYTES)), cached_owners_max=2)
        rows = [[entry((time, name), owner=name) for name in names] for time in range(3)]
        await archive.append([*rows[0], *rows[1]])
        await archive.append(rows[2])

        archives = [texts(await everything(archive, name)) for name in names]
    assert archives == [texts([row[n] for row in rows]) for n in range(len(names))]
