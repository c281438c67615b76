"""An erasure that is cancelled after its commit does not affect later messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.builders import ALICE, entry, everything, texts
from support.databases import open_database

from storage.sql.database import Connection
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.ids import KEY_BYTES, Ids
from storage.sql.retention.store import SqlRetention
from storage.sqlite.engine.database import SqliteDatabase


class CancelledAtTheEnd:
    """A database whose callers are cancelled right after each commit."""

    def __init__(self, database: SqliteDatabase, archive: SqlArchive) -> None:
        self._database = database
        self._archive = archive
        self.name = database.name
        self.read = database.read
        self.read_archive = database.read_archive
        self.is_only_writer = database.is_only_writer
        self.rewrite = database.rewrite
        self.scrub_index = database.scrub_index
        self.close = database.close

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        async with self._database.write() as connection:
            yield connection
            await self.before_the_end()
        raise asyncio.CancelledError

    async def before_the_end(self) -> None:
        """Run the work of another task before the transaction is committed."""


class ReadAtTheEnd(CancelledAtTheEnd):
    """A database that another task reads right before each commit."""

    async def before_the_end(self) -> None:
        assert texts(await everything(self._archive)) == [entry("erased").xml]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with open_database(tmp_path / "archive.db") as database:
        yield database


@pytest.mark.parametrize("cancelled", [CancelledAtTheEnd, ReadAtTheEnd])
async def test_message_after_a_cancelled_erasure_is_in_the_archive(
    database: SqliteDatabase, cancelled: type[CancelledAtTheEnd]
) -> None:
    ids = Ids(bytes(KEY_BYTES))
    archive = SqlArchive(database, ids)
    await archive.append([entry("erased")])
    retention = SqlRetention(cancelled(database, archive), ids, archive)
    with pytest.raises(asyncio.CancelledError):
        await retention.erase(ALICE, limit=10)
    await archive.append([entry("later")])

    assert texts(await everything(archive)) == [entry("later").xml]
