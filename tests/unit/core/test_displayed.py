"""Displayed markers on their way into the store: gathered, asked for, not waited for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO, ROOM, entries, everything
from support.probe import Probe
from support.sqlite_probe import SqliteProbe
from support.writer import open_writer

from component.core.archiving.writer import Writer
from component.core.hosts import Hosts
from component.core.reading.displayed import (
    PENDING_MAX,
    PENDING_OF_USER_MAX,
    DisplayedMarkers,
)
from storage.interface import Archive
from storage.open import open_storage
from storage.rows import DisplayedMarker


@dataclass
class Server:
    """A server that has these markers, and answers when `may_answer` is set."""

    markers: tuple[DisplayedMarker, ...] = ()
    is_permitted: bool = True
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    requested: list[str] = field(default_factory=list)

    def is_askable(self, host: str) -> bool:
        return self.is_permitted

    async def displayed(self, owner: str) -> tuple[DisplayedMarker, ...]:
        self.requested.append(owner)
        await self.may_answer.wait()
        return self.markers


@dataclass
class Opened:
    """Markers over a store in memory, and the server that they are asked of."""

    archive: Archive
    writer: Writer
    server: Server
    displayed: DisplayedMarkers
    probe: Probe

    async def receive(self, count: int) -> list[str]:
        """Store messages of bob for alice; return their ids."""
        await self.writer.store(entries(count))
        return [message.id for message in (await everything(self.archive)).messages]

    async def unread(self) -> int:
        """Return the number of unread messages in the store."""
        [conversation] = (await self.archive.conversations(ALICE, limit=9)).conversations
        return conversation.unread


@asynccontextmanager
async def open_displayed(url: str = "sqlite::memory:", **options: float) -> AsyncIterator[Opened]:
    async with (
        open_storage(url) as storage,
        open_writer(storage.archive) as writer,
    ):
        server = Server()
        server.may_answer.set()
        markers = DisplayedMarkers(storage.archive, writer, Hosts([HOST]), server, **options)
        yield Opened(storage.archive, writer, server, markers, SqliteProbe(storage))


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    async with open_displayed() as opened:
        yield opened


def marker(id: str | None, owner: str = ALICE, peer: str = BOB) -> DisplayedMarker:
    return DisplayedMarker(owner=owner, peer=peer, id=id)


async def test_user_is_asked_for_at_the_first_look_only(opened: Opened) -> None:
    ids = await opened.receive(2)
    opened.server.markers = (marker(ids[0]),)
    for _ in range(3):
        await opened.displayed.refresh(ALICE)

    assert (opened.server.requested, await opened.unread()) == ([ALICE], 1)


async def test_user_is_asked_for_again_after_a_new_connection(opened: Opened) -> None:
    await opened.displayed.refresh(ALICE)
    opened.displayed.reconnected()
    await opened.displayed.refresh(ALICE)

    assert opened.server.requested == [ALICE, ALICE]


async def test_looks_at_the_same_time_share_one_question(opened: Opened) -> None:
    opened.server.may_answer.clear()
    looks = [asyncio.create_task(opened.displayed.refresh(ALICE)) for _ in range(3)]
    await asyncio.sleep(0)
    opened.server.may_answer.set()
    await asyncio.gather(*looks)

    assert opened.server.requested == [ALICE]


@pytest.mark.parametrize("owner", [ROOM, ROMEO])
async def test_nobody_is_asked_for_a_room_or_a_user_of_another_server(
    opened: Opened, owner: str
) -> None:
    await opened.displayed.refresh(owner)

    assert opened.server.requested == []


async def test_user_is_asked_for_once_that_is_permitted(opened: Opened) -> None:
    opened.server.is_permitted = False
    await opened.displayed.refresh(ALICE)
    opened.server.is_permitted = True
    await opened.displayed.refresh(ALICE)

    assert opened.server.requested == [ALICE]


async def test_late_answer_delays_no_read_and_counts_in_the_next() -> None:
    async with open_displayed(wait_seconds=0.05) as opened:
        ids = await opened.receive(2)
        opened.server.markers = (marker(ids[1]),)
        opened.server.may_answer.clear()
        began = time.monotonic()
        await opened.displayed.refresh(ALICE)
        delay, before = time.monotonic() - began, await opened.unread()
        opened.server.may_answer.set()
        await opened.displayed.refresh(ALICE)

        assert (before, await opened.unread(), delay < 20) == (2, 0, True)


async def test_read_sees_markers_that_were_noted_before(opened: Opened) -> None:
    ids = await opened.receive(2)
    opened.displayed.note([marker(ids[1])])
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 0


async def test_markers_are_written_before_the_end(opened: Opened) -> None:
    ids = await opened.receive(2)
    running = asyncio.create_task(opened.displayed.run())
    opened.displayed.note([marker(ids[1])])
    opened.displayed.stop()
    await running

    assert await opened.unread() == 0


async def test_marker_waits_for_its_message(opened: Opened) -> None:
    """A room's message may still be in the queue when it was displayed."""
    running = asyncio.create_task(opened.displayed.run())
    named = entries(1)[0]._replace(name_hashes=(7,))
    opened.writer.put([named])
    opened.displayed.note([DisplayedMarker(owner=ALICE, peer=BOB, id=None, name_hash=7)])
    opened.displayed.stop()
    await running

    assert await opened.unread() == 0


async def test_of_several_markers_that_of_the_newest_message_counts(opened: Opened) -> None:
    ids = await opened.receive(3)
    opened.displayed.note([marker(ids[0]), marker("unknown", peer=ROMEO), marker(ids[1])])
    opened.displayed.note([marker(ids[0])])
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 1


async def test_markers_beyond_the_bound_are_dropped(opened: Opened) -> None:
    ids = await opened.receive(1)
    opened.displayed.note([marker(ids[0])])
    opened.displayed.note([marker("x", owner=f"{n}@{HOST}") for n in range(PENDING_MAX)])
    opened.server.is_permitted = False
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 1


async def test_user_with_too_many_markers_loses_none_of_others(opened: Opened) -> None:
    ids = await opened.receive(1)
    opened.displayed.note([marker(ids[0])])
    for user in range(2 * PENDING_MAX // PENDING_OF_USER_MAX):
        hostile = f"hostile{user}@{HOST}"
        for _ in range(3):
            opened.displayed.note(
                [marker(f"{n}", owner=hostile) for n in range(PENDING_OF_USER_MAX + 1)]
            )
    opened.server.is_permitted = False
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 0


async def test_latest_of_too_many_markers_of_a_user_are_kept(opened: Opened) -> None:
    ids = await opened.receive(1)
    opened.displayed.note([marker(f"{n}") for n in range(3 * PENDING_OF_USER_MAX)])
    opened.displayed.note([marker(ids[0])])
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 0


async def test_markers_of_an_erased_archive_are_discarded(opened: Opened) -> None:
    ids = await opened.receive(1)
    opened.displayed.note([marker(ids[0])])
    opened.displayed.forget(ALICE)
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 1


async def test_markers_that_cannot_be_written_are_kept_and_logged_once(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await opened.receive(3)
    await opened.probe.set_read_only(True)
    opened.displayed.note([marker(ids[1]), marker(ids[0], peer=ROMEO)])
    await opened.displayed.refresh(ALICE)
    opened.displayed.note([marker(ids[0], peer=ROMEO)])
    await opened.displayed.refresh(ALICE)
    await opened.probe.set_read_only(False)
    await opened.displayed.refresh(ALICE)

    assert await opened.unread() == 1
    assert len([line for line in caplog.messages if "displayed markers" in line]) == 1


async def test_blocked_store_delays_no_read_for_long(tmp_path: Path) -> None:
    async with open_displayed(f"sqlite:{tmp_path}/archive.db", wait_seconds=0.05) as opened:
        ids = await opened.receive(1)
        opened.displayed.note([marker(ids[0])])
        async with opened.probe.blocked():
            began = time.monotonic()
            await opened.displayed.refresh(ALICE)
            delay, before = time.monotonic() - began, await opened.unread()
        await opened.displayed.refresh(ALICE)

        assert (before, await opened.unread(), delay < 20) == (1, 0, True)
