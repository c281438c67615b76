"""What is cancelled behind its last step, as a program that stops does it, loses nothing later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.builders import ALICE, entry, everything, texts

from storage.archive import SqlArchive
from storage.database import Connection
from storage.ids import KEY_BYTES, Ids
from storage.keeping import SqlKeeping
from storage.migrate import migrate
from storage.sqlite import MEMORY, SqliteDatabase


class CancelledAtTheEnd:
    """A database whose callers never hear that their transaction was committed."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self.name = database.name
        self.read = database.read
        self.snapshot = database.snapshot
        self.rewrite = database.rewrite
        self.close = database.close

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        async with self._database.write() as connection:
            yield connection
        raise asyncio.CancelledError


async def test_what_comes_behind_an_erasure_that_was_broken_off_is_in_the_archive() -> None:
    database = await SqliteDatabase.open(MEMORY, synchronous="normal")
    await migrate(database)
    ids = Ids(bytes(KEY_BYTES))
    archive = SqlArchive(database, ids)
    await archive.append([entry("erased")])
    keeping = SqlKeeping(CancelledAtTheEnd(database), ids, archive.forget)
    with pytest.raises(asyncio.CancelledError):
        await keeping.erase(ALICE, limit=10)
    await archive.append([entry("later")])

    assert texts(await everything(archive)) == [entry("later").xml]
    await database.close()
