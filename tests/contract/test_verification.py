"""A store that was used in every way has no fault, and each fault is found."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from contract.test_copying import fill
from support.builders import ALICE, entries, everything

from storage.errors import StorageError, Unavailable
from storage.open import open_read_only, open_storage
from storage.rows import Filter, ImportedMessage
from storage.sql.moving.verification import faults
from storage.sqlite.backup import back_up


async def faults_of(url: str) -> list[tuple[str, str]]:
    async with open_read_only(url) as (_, side), side.database.read() as connection:
        assert await side.tables.check(connection) == []
        return [(fault.where, fault.what) for fault in await faults(connection, side.tables)]


async def test_used_store_has_no_fault(store_url: str) -> None:
    if "memory" in store_url:
        return
    async with open_storage(store_url) as storage:
        await fill(storage)
        await storage.imports.add(
            [ImportedMessage(row._replace(owner="x@example.org"), row.xml) for row in entries(9)]
        )
        # A Muniment that runs does not prevent it.
        assert await faults_of(store_url) == []


#: Statements that damage a store, and what is said of it.
DAMAGE = {
    "UPDATE owners SET messages = messages + 1": "it counts 601 messages",
    "UPDATE owners SET last_sequence = 3": "a message has the sequence 600, beyond 3",
    "UPDATE owners SET latest_at = 0": "newer than the latest time",
    "UPDATE counters SET messages = 1 WHERE bucket_size = 512": "its counters of 512 sequences",
    "DELETE FROM counters WHERE bucket_size = 32768": "its counters of 32768 sequences",
    "UPDATE conversations SET newest = 5": "its conversations do not have the newest",
    "INSERT INTO old_ids VALUES (1, 'x', 900)": "old_ids has a row of a message that is gone",
    "INSERT INTO conversations VALUES (9, 'x', 1, 0, 0)": "rows of an unknown owner 9",
    "INSERT INTO reserved_sequences VALUES (1, 5, 600, 700, 5)": (
        "the message 600 has a sequence that is reserved for a gap"
    ),
    "INSERT INTO reserved_sequences VALUES (9, 5, 600, 700, 5)": "rows of an unknown owner 9",
    "DELETE FROM secrets": "the key of the ids is missing",
    "UPDATE archive SET kind = 'blanked' WHERE sequence = 7": "a wrong row for the message 7",
    "INSERT INTO fulltext (rowid, text, peer, links) VALUES ((1 << 40) + 900, '1_x', '', '')": (
        "a wrong row for the message 900"
    ),
}


@pytest.fixture(scope="module")
def damaged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")

    async def make() -> None:
        async with open_storage(f"sqlite:{folder}/whole.db") as storage:
            await storage.archive.append(entries(600, text="word"))

    asyncio.run(make())
    return folder


@pytest.mark.parametrize("sql", DAMAGE)
async def test_damage_is_found(sql: str, damaged_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    back_up(str(damaged_folder / "whole.db"), path)
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
    if sql.endswith("secrets"):
        with pytest.raises(StorageError):
            await faults_of(f"sqlite:{path}")
        return

    [(_, what)] = await faults_of(f"sqlite:{path}")

    assert DAMAGE[sql] in what


async def test_backup_has_the_store_of_its_moment_while_others_write(tmp_path: Path) -> None:
    url, target = f"sqlite:{tmp_path}/store.db", tmp_path / "copy.db"
    async with open_storage(url) as storage:
        await storage.archive.append(entries(800))
        steps: list[tuple[int, int]] = []
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def write(remaining: int, total: int) -> None:
            steps.append((remaining, total))
            late = [row._replace(dedup_key=bytes(15) + b"x") for row in entries(1)]
            if len(steps) == 1:
                asyncio.run_coroutine_threadsafe(storage.archive.append(late), loop).result(30)
                loop.call_soon_threadsafe(done.set)

        await asyncio.to_thread(back_up, f"{tmp_path}/store.db", target, write)
        await done.wait()
        assert await storage.archive.count(ALICE, Filter()) == 801

    assert target.stat().st_mode & 0o777 == 0o600
    assert await faults_of(f"sqlite:{target}") == []
    async with open_storage(f"sqlite:{target}") as storage:
        assert len((await everything(storage.archive)).messages) == 800


def test_backup_overwrites_nothing(tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("other")

    with pytest.raises(StorageError, match="exists already"):
        back_up("whatever", target)
    assert target.read_text() == "other"


def test_backup_of_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        back_up(str(tmp_path / "none.db"), tmp_path / "copy.db")
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(Unavailable):
        back_up(str(tmp_path / "text"), tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text"]


async def test_store_that_is_read_only_takes_no_writes(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/store.db"
    async with open_storage(url) as storage:
        await storage.archive.append(entries(1))
    async with open_read_only(url) as (storage, _):
        assert len((await everything(storage.archive)).messages) == 1
        with pytest.raises(Unavailable):
            await storage.archive.append(entries(2))
