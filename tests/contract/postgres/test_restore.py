"""A backup by pgBackRest is restored to a moment after it, into another server."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import asyncpg
import pytest
from contract.test_copying import fill, found
from support.builders import ALICE, entries
from support.pgbackrest import BackedUpPostgres
from support.program import Failed

from component.cli import main
from component.cli.exit_codes import OK
from storage.open import open_storage
from storage.rows import Filter


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of PostgreSQL can enter."""
    folder = Path(tempfile.mkdtemp(prefix="muniment-restore-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(folder: Path, missing: Callable[[object], NoReturn]) -> Iterator[BackedUpPostgres]:
    """A server of its own with backups."""
    try:
        server = BackedUpPostgres(folder)
    except Failed as error:
        missing(error)
    try:
        server.start()
        yield server
    finally:
        server.abandon()


async def moment_of(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SELECT clock_timestamp()"))
    finally:
        await connection.close()


async def test_store_is_restored_to_a_moment_after_the_backup(
    server: BackedUpPostgres, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = await asyncio.to_thread(server.create, "muniment")
    async with open_storage(url) as storage:
        await storage.archive.append(entries(20))
        await asyncio.to_thread(server.back_up)
        # After the backup, and before the moment.
        await fill(storage)
        expected = await found(storage, ALICE), await storage.retention.totals()
        moment = await moment_of(url)
        # What shall not be restored, such as a mistake of an operator.
        await storage.retention.erase(ALICE, limit=10_000)

    other = folder / "restored"
    other.mkdir(mode=0o711)
    restored = await asyncio.to_thread(server.restored, other, moment)
    try:
        await asyncio.to_thread(restored.start)
        url = restored.url("muniment")
        config = folder / "muniment.toml"
        config.write_text(
            "[xmpp]\njid = 'archive.example.org'\nhosts = ['example.org']\n"
            f"secret = 'not-a-secret'\n[storage]\nurl = '{url}'\n[http]\nsecret = 'another'\n"
        )
        code = await asyncio.to_thread(main, ["verify", "--config", str(config)])
        async with open_storage(url) as storage:
            assert (await found(storage, ALICE), await storage.retention.totals()) == expected
            count = await storage.archive.count(ALICE, Filter())
            await storage.archive.append(entries(1, text="after the restore"))
            assert await storage.archive.count(ALICE, Filter()) == count + 1
    finally:
        restored.abandon()

    output = capsys.readouterr().out
    assert code == OK, output
    assert "no fault in" in output
