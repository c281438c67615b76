"""Messages spilled at the last end reach the store once, and never after an erasure."""

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
from storage.rows import ANY
from storage.spill import Spill
from storage.sql.store import SqlStorage

PATIENCE = 30.0


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    return Spill(tmp_path / "archive.db-spill")


async def spilled(spill: Spill, writer: Writer, **options: float) -> SpillRecovery:
    """Spill two messages and return their recovery."""
    spill.write(entries(2))
    recovery = SpillRecovery(spill, writer, **options)
    await recovery.read()
    return recovery


async def test_spilled_messages_wait_until_put(
    spill: Spill, storage: SqlStorage, writer: Writer
) -> None:
    recovery = await spilled(spill, writer)
    run_task = asyncio.create_task(recovery.run())
    await asyncio.sleep(0)
    backlog = writer.backlog

    recovery.put()
    await run_task

    assert backlog == 0
    assert texts(await everything(storage.archive)) == [row.xml for row in entries(2)]
    assert not spill.path.exists()


async def test_spilled_messages_are_written_after_a_timeout(
    spill: Spill, storage: SqlStorage, writer: Writer
) -> None:
    recovery = await spilled(spill, writer, put_seconds=0.0)

    await recovery.run()

    assert await storage.archive.count(ALICE, ANY) == 2


async def test_erased_messages_do_not_return_from_the_spill(
    spill: Spill, storage: SqlStorage, writer: Writer
) -> None:
    recovery = await spilled(spill, writer)
    holds, live = Holds(storage.holds), Followers()
    erasure = Erasure(
        storage.retention,
        writer,
        holds,
        followers=live,
        batch=2,
        wait_for_spill=recovery.wait_removed,
    )
    early = await erasure.erase(ALICE, wait_seconds=0.2)

    recovery.put()
    run_task = asyncio.create_task(recovery.run())
    erased = await erasure.erase(ALICE, wait_seconds=PATIENCE)
    is_file_left = spill.path.exists()
    await run_task

    assert (early.done, erased.messages, is_file_left) == (False, 2, False)
    assert await storage.archive.count(ALICE, ANY) == 0


async def test_damaged_rows_are_kept_aside_if_the_store_fails_again(
    spill: Spill, writer: Writer
) -> None:
    spill.write(entries(3))
    damaged = bytearray(spill.path.read_bytes())
    damaged[-2] ^= 0x20
    spill.path.write_bytes(damaged)
    recovery = SpillRecovery(spill, writer)
    await recovery.read()

    await recovery.keep(entries(2))

    aside = spill.path.with_name("archive.db-spill-damaged")
    assert aside.read_bytes() == damaged
    assert aside.stat().st_mode & 0o777 == 0o600
    assert spill.read().messages == tuple(entries(2))
