"""The disk of the store is full, hangs, fails and loses power."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import mam
from support.releases import Release
from support.server import Server

from torture.disks import Disk
from torture.load import is_not_ready, is_ready, load

#: The space that Muniment keeps for messages that wait is a part of the disk.
QUEUE_BYTES = 4 << 20


@pytest.fixture
def server(tmp_path: Path, release: Release, disk: Disk) -> Iterator[Server]:
    """A server whose store is on the disk; its log is elsewhere."""
    options = {
        "storage": {"url": f"sqlite:{disk.path}/muniment.db"},
        "archive": {"queue_bytes": QUEUE_BYTES},
    }
    with Server.running(tmp_path, release, options) as running:
        yield running


async def test_full_disk_refuses_posts_and_loses_nothing(server: Server, disk: Disk) -> None:
    async with load(server) as running:
        await asyncio.to_thread(disk.fill)
        await running.is_refused(503)
        await is_not_ready(server.muniment)
        await running.goes_on(messages=50)
        assert (await mam.query(running.recipient, max=5)).bodies == [
            f"message {n}" for n in range(5)
        ]
        disk.free()
        await is_ready(server.muniment)
        await running.goes_on(posts=20, messages=20)


async def test_program_that_stops_on_a_full_disk_writes_everything_later(
    server: Server, disk: Disk
) -> None:
    async with load(server, may_have_gaps=True) as running:
        await asyncio.to_thread(disk.fill)
        await is_not_ready(server.muniment)
        await running.goes_on(messages=50)
        assert await asyncio.to_thread(server.muniment.stop) == 0
        assert "are kept in" in server.muniment.log
        disk.free()
        await asyncio.to_thread(server.muniment.start)


async def test_disk_that_hangs_delays_answers_and_loses_nothing(
    server: Server, disk: Disk
) -> None:
    async with load(server) as running:
        for _ in range(4):
            with disk.stopped():
                before = running.posted
                await asyncio.sleep(2)
                # One that was written before may be on its way.
                assert running.posted - before <= 3 * 2
            await running.goes_on(posts=3)


async def test_disk_that_fails_loses_nothing_that_was_acknowledged(
    server: Server, disk: Disk
) -> None:
    """The kernel makes its file system read-only, until it is checked."""
    async with load(server, may_have_gaps=True) as running:
        await asyncio.to_thread(disk.fail)
        await running.is_refused(503)
        await is_not_ready(server.muniment)
        await asyncio.to_thread(server.muniment.kill)
        await asyncio.to_thread(disk.repair)
        await asyncio.to_thread(server.muniment.start)


async def test_start_on_a_failed_disk_ends_with_the_reason(server: Server, disk: Disk) -> None:
    await asyncio.to_thread(server.muniment.stop)
    await asyncio.to_thread(disk.fail)
    server.muniment.begin()
    code = await asyncio.to_thread(server.muniment.wait)

    assert code == 1
    assert "muniment.db" in server.muniment.tail
    assert "read-only" in server.muniment.tail.lower()
    assert "Traceback" not in server.muniment.log


async def test_acknowledged_messages_survive_a_power_cut(server: Server, disk: Disk) -> None:
    async with load(server, may_have_gaps=True) as running:
        for _ in range(3):
            await asyncio.to_thread(disk.cut_power)
            await asyncio.to_thread(server.muniment.kill)
            await asyncio.to_thread(disk.repair)
            await asyncio.to_thread(server.muniment.start)
            await running.goes_on(posts=20, messages=20)
