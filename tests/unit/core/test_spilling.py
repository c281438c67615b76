"""What was kept at the last end comes into the store once, and not behind an erasure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.builders import ALICE, entries, everything, texts

from component.core.archiving.spilling import SpillRecovery
from component.core.archiving.writer import Writer
from component.core.reading.follow import Followers
from component.core.retention.erasure import Erasure
from component.core.retention.holds import Holds
from storage.open import SqliteStorage
from storage.rows import ANY
from storage.spill import Spill

PATIENCE = 10.0


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    return Spill(tmp_path / "archive.db-spill")


async def kept(spill: Spill, writer: Writer, **options: float) -> SpillRecovery:
    """Return what a spill holds of two messages."""
    spill.write(entries(2))
    remains = SpillRecovery(spill, writer, **options)
    await remains.read()
    return remains


async def test_what_was_kept_waits_until_it_can_be_judged(
    spill: Spill, storage: SqliteStorage, writer: Writer
) -> None:
    remains = await kept(spill, writer)
    running = asyncio.create_task(remains.run())
    await asyncio.sleep(0)
    waiting = writer.backlog

    remains.put()
    await running

    assert waiting == 0
    assert texts(await everything(storage.archive)) == [one.xml for one in entries(2)]
    assert not spill.path.exists()


async def test_what_was_kept_is_written_though_nothing_can_judge_it(
    spill: Spill, storage: SqliteStorage, writer: Writer
) -> None:
    remains = await kept(spill, writer, put_seconds=0.0)

    await remains.run()

    assert await storage.archive.count(ALICE, ANY) == 2


async def test_what_was_erased_does_not_come_back(
    spill: Spill, storage: SqliteStorage, writer: Writer
) -> None:
    remains = await kept(spill, writer)
    holds, live = Holds(storage.holds), Followers()
    erasure = Erasure(
        storage.retention,
        writer,
        holds,
        followers=live,
        batch=2,
        wait_for_spill=remains.wait_removed,
    )
    early = await erasure.erase(ALICE, wait_seconds=0.2)

    remains.put()
    running = asyncio.create_task(remains.run())
    erased = await erasure.erase(ALICE, wait_seconds=PATIENCE)
    is_left = spill.path.exists()
    await running

    assert (early.done, erased.messages, is_left) == (False, 2, False)
    assert await storage.archive.count(ALICE, ANY) == 0


async def test_damaged_rows_stay_where_the_store_fails_again(spill: Spill, writer: Writer) -> None:
    spill.write(entries(3))
    damaged = bytearray(spill.path.read_bytes())
    damaged[-2] ^= 0x20
    spill.path.write_bytes(damaged)
    remains = SpillRecovery(spill, writer)
    await remains.read()

    await remains.keep(entries(2))

    aside = spill.path.with_name("archive.db-spill-damaged")
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o777 == 0o600
    assert spill.read().work == tuple(entries(2))
