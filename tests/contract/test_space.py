"""The contract of the space of a store: what a removal frees, and what is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.builders import ALICE, entries, entry
from support.sqlite_probe import SqliteProbe

from storage.interface import Storage
from storage.open import open_storage
from storage.rows import ANY, Cutoff

MESSAGES = 2000
TEXT = "a word " * 150


@pytest.fixture
async def storage(store_url: str) -> AsyncIterator[Storage]:
    async with open_storage(store_url) as opened:
        yield opened


async def fill(storage: Storage) -> None:
    for first in range(0, MESSAGES, 200):
        await storage.archive.append(
            [entry(n, text=TEXT, xml=f"<m>{TEXT}</m>") for n in range(first, first + 200)]
        )


async def remove(storage: Storage) -> None:
    await storage.retention.delete_oldest(ALICE, Cutoff(messages=10), limit=MESSAGES)
    await storage.retention.scrub_index()


async def release(storage: Storage) -> int:
    """Give back what can be, and return the number of steps."""
    steps = 1
    while await storage.retention.release():
        steps += 1
    return steps


async def test_space_of_removed_messages_is_given_back(storage: Storage) -> None:
    await fill(storage)
    before = await storage.retention.space()
    await remove(storage)
    await release(storage)
    if not before.has_steps:
        assert await storage.retention.scrub_files()
    after = await storage.retention.space()

    # A store in memory has no files.
    assert after.disk <= before.disk / 2
    assert not after.free
    if before.used is not None:
        assert after.used is not None
        assert after.used < before.used / 2


async def test_store_with_nothing_to_release_is_left_alone(storage: Storage) -> None:
    await storage.archive.append(entries(3))

    assert not await storage.retention.release()
    assert not await storage.retention.scrub_files()


async def test_messages_are_written_between_the_steps_of_a_release(store_url: str) -> None:
    async with open_storage(store_url) as storage:
        await fill(storage)
        await remove(storage)
        await asyncio.gather(release(storage), storage.archive.append([entry("new", text="a")]))

        assert await storage.archive.count(ALICE, ANY) == 11


async def test_unused_space_of_a_file_is_known_until_it_is_released(tmp_path: Path) -> None:
    async with open_storage(f"sqlite:{tmp_path}/archive.db") as storage:
        await fill(storage)
        await remove(storage)
        unused = (await storage.retention.space()).free
        await release(storage)
        after = await storage.retention.space()

    assert unused is not None
    assert unused > MESSAGES * len(TEXT) / 2
    assert after.free == 0


async def test_file_of_an_older_release_is_rewritten_once(tmp_path: Path) -> None:
    """Files were made without the pages that know where other pages belong."""
    url = f"sqlite:{tmp_path}/archive.db"
    async with open_storage(url) as storage:
        writer = SqliteProbe(storage).database._writer
        await writer.configure(auto_vacuum="NONE")
        await writer.execute("VACUUM")
        await fill(storage)
    async with open_storage(url) as storage:
        await remove(storage)
        old = await storage.retention.space()
        assert not await storage.retention.release()
        assert (await storage.retention.space()).free == old.free
        assert await storage.retention.scrub_files()
        new = await storage.retention.space()

    assert (old.has_steps, new.has_steps) == (False, True)
    assert (bool(old.free), new.free) == (True, 0)


async def test_file_of_an_older_release_is_rewritten_even_if_no_trace_is_left(
    tmp_path: Path,
) -> None:
    url = f"sqlite:{tmp_path}/archive.db"
    async with open_storage(url) as storage:
        await fill(storage)
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=10), limit=MESSAGES)
        await storage.retention.scrub_files()
        writer = SqliteProbe(storage).database._writer
        await writer.configure(auto_vacuum="NONE")
        await writer.execute("VACUUM")
    async with open_storage(url) as storage:
        probe = SqliteProbe(storage)
        await probe.execute("CREATE TABLE bulky AS SELECT randomblob(1000000) AS content")
        await probe.execute("DROP TABLE bulky")

        assert await storage.retention.scrub_files()
        assert (await storage.retention.space()).has_steps
