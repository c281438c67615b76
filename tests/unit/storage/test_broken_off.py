"""What is cancelled behind its last step, as a program that stops does it, loses nothing later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.builders import ALICE, entry, everything, texts
from support.databases import open_database

from storage.sqlite.engine.database import SqliteDatabase
from storage.sqlite.engine.protocols import Connection
from storage.sqlite.messages.archive import SqliteArchive
from storage.sqlite.messages.ids import KEY_BYTES, Ids
from storage.sqlite.retention.store import SqliteRetention


class CancelledAtTheEnd:
    """A database whose callers never hear that their transaction was committed."""

    def __init__(self, database: SqliteDatabase, archive: SqliteArchive) -> None:
        self._database = database
        self._archive = archive
        self.name = database.name
        self.read = database.read
        self.read_archive = database.read_archive
        self.rewrite = database.rewrite
        self.close = database.close

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        async with self._database.write() as connection:
            yield connection
            await self.before_the_end()
        raise asyncio.CancelledError

    async def before_the_end(self) -> None:
        """Do what others do before the transaction is committed."""


class ReadAtTheEnd(CancelledAtTheEnd):
    """One that is read right before a transaction is committed."""

    async def before_the_end(self) -> None:
        assert texts(await everything(self._archive)) == [entry("erased").xml]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path / "archive.db") as database:
        yield database


@pytest.mark.parametrize("broken", [CancelledAtTheEnd, ReadAtTheEnd])
async def test_what_comes_behind_an_erasure_that_was_broken_off_is_in_the_archive(
    database: SqliteDatabase, broken: type[CancelledAtTheEnd]
) -> None:
    ids = Ids(bytes(KEY_BYTES))
    archive = SqliteArchive(database, ids)
    await archive.append([entry("erased")])
    keeping = SqliteRetention(broken(database, archive), ids, archive.forget)
    with pytest.raises(asyncio.CancelledError):
        await keeping.erase(ALICE, limit=10)
    await archive.append([entry("later")])

    assert texts(await everything(archive)) == [entry("later").xml]
