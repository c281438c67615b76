"""What is known of archives from memory is never of one that was erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.builders import ALICE
from support.databases import open_database

from storage.database import Connection
from storage.owners import Owners
from storage.sqlite import MEMORY


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
    await owners.meet(connection, [ALICE])
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
