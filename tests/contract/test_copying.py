"""A whole store is copied to the other engine and back, and stays the same to the last row."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import ALICE, carry_out, correction, entries, entry, everything, retraction
from support.whole_store import chat, keep_people, keep_records, move_in, read_and_write

from storage.errors import StorageError
from storage.interface import Storage
from storage.open import open_side, open_storage
from storage.rows import Cutoff, Filter, Phrase
from storage.sql.moving import copying
from storage.sql.moving.copying import StoreCopy


async def fill(storage: Storage) -> None:
    """Use all of a store, so that most tables have rows."""
    await read_and_write(storage, 1)
    rows = entries(1300, text="hello w\u00f6rld", name_hashes=(7, -3))
    await storage.archive.append(rows)
    await storage.archive.append(
        [
            correction("c1", 7, text="corrected"),
            entry("n1", refers_to=(7,), stanza_id="room-id-1"),
            retraction(-3, name="r1"),
        ]
    )
    await carry_out(storage.archive)
    await storage.archive.append([retraction(7, name="r2")])
    await move_in(storage, 3)
    await storage.retention.delete_oldest(ALICE, Cutoff(messages=1290), limit=100)
    for n in (2, 3):
        owner = f"user{n}@host{n}.example"
        await keep_people(storage, owner, n)
        await keep_records(storage, owner, f"peer{n}@example.net", f"room{n}@rooms.example", n)
        await chat(storage, owner, f"room{n}@rooms.example", n)


async def copy(source: str, target: str) -> bool:
    """Copy a store and compare both; return whether an earlier copy went on."""
    async with open_side(source) as source_side, open_side(target) as target_side:
        store_copy = StoreCopy(source_side, target_side)
        total, is_resumed = await store_copy.prepare()
        copied = 0

        def progress(rows: int) -> None:
            nonlocal copied
            copied += rows

        await store_copy.run(progress)
        assert copied == total or is_resumed
        assert await store_copy.compare() == ()
        await store_copy.finish()
    return is_resumed


@pytest.fixture
async def filled_url(tmp_path: Path) -> str:
    url = f"sqlite:{tmp_path}/source.db"
    async with open_storage(url) as storage:
        await fill(storage)
    return url


async def found(storage: Storage, owner: str = ALICE) -> object:
    """Return what readers see of an archive."""
    page = await everything(storage.archive, owner)
    hello = await storage.archive.page(
        owner, Filter(phrases=(Phrase(words=("hello", "w\u00f6rld")),)), limit=5, counted=True
    )
    ids = [message.id for message in page.messages[-5:]]
    return (
        page,
        hello,
        await storage.archive.references(owner, ids, limit=5),
        await storage.archive.unfinished_retractions(),
        await storage.archive.conversations(owner, limit=5),
        await storage.retention.totals(),
        await storage.events.snapshot(owner),
    )


async def test_store_is_copied_to_the_other_engine_and_back(
    filled_url: str, postgres_url: str, tmp_path: Path
) -> None:
    back_url = f"sqlite:{tmp_path}/back.db"
    async with open_storage(filled_url) as storage:
        before = await found(storage)

    await copy(filled_url, postgres_url)
    async with open_storage(postgres_url) as storage:
        assert await found(storage) == before
        await storage.archive.append([entry("new"), entry("other", owner="new@example.org")])
        await storage.retention.erase("new@example.org", limit=5)
        after = await found(storage)
    await copy(postgres_url, back_url)

    async with open_storage(back_url) as storage:
        assert await found(storage) == after
        await storage.archive.append([entry("newer"), entry("another", owner="new@example.org")])
        assert (await storage.archive.page(ALICE, Filter(), limit=1, backwards=True)).messages


async def test_copy_goes_on_where_it_was_interrupted(filled_url: str, postgres_url: str) -> None:
    class Interrupted(Exception):
        pass

    copied = 0

    def interrupt(rows: int) -> None:
        nonlocal copied
        copied += rows
        if copied > 600:
            raise Interrupted

    async with open_side(filled_url) as source, open_side(postgres_url) as target:
        store_copy = StoreCopy(source, target)
        await store_copy.prepare()
        with pytest.raises(Interrupted):
            await store_copy.run(interrupt)
    with pytest.raises(StorageError, match="copy-store again"):
        async with open_storage(postgres_url):
            pass

    assert await copy(filled_url, postgres_url)


async def test_copy_into_a_used_store_is_refused(filled_url: str, tmp_path: Path) -> None:
    used = f"sqlite:{tmp_path}/used.db"
    async with open_storage(used) as storage:
        await storage.archive.append([entry()])

    with pytest.raises(StorageError, match="not empty"):
        await copy(filled_url, used)


async def test_comparison_names_the_table_that_differs(
    filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH", 100)
    target_url = f"sqlite:{tmp_path}/target.db"
    async with open_side(filled_url) as source, open_side(target_url) as target:
        store_copy = StoreCopy(source, target)
        await store_copy.prepare()
        await store_copy.run()
        async with target.database.write() as connection:
            await connection.execute("UPDATE archive SET xml = '' WHERE sequence = 700")
            await connection.execute("DELETE FROM preferences")

        differences = await store_copy.compare()

    assert [difference.table for difference in differences] == ["archive", "preferences"]
    assert "behind" in differences[0].where
