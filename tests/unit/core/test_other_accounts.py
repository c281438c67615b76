"""Messages of sessions at other servers reach the archive of their user, and no other one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from support.builders import HOST, everything
from support.deliveries import DeliveryBench
from support.writer import open_writer

from component.core.archiving.other_accounts import OtherAccounts
from component.core.archiving.policy import Policy
from component.core.archiving.pressure import Backpressure
from component.core.archiving.writer import Writer
from storage.interface import Archive
from storage.open import open_storage
from storage.rows import Direction

CAROL, DAVE = "carol@far.test", "dave@far.test"
ROOM = "garden@rooms.far.test"


@dataclass
class Opened:
    """The archives, and what takes the messages of carol's session."""

    archive: Archive
    writer: Writer
    take: Callable[[str], None]

    async def bodies(self, owner: str) -> list[tuple[str, Direction]]:
        await self.writer.wait_durable()
        rows = (await everything(self.archive, owner)).messages
        return [(row.xml.partition("<body>")[2].partition("<")[0], row.direction) for row in rows]


@asynccontextmanager
async def opened_archives() -> AsyncIterator[Opened]:
    async with open_storage("sqlite::memory:") as storage, open_writer(storage.archive) as writer:
        bench = DeliveryBench(writer)
        accounts = OtherAccounts(writer, Policy(), bench.sessions, bench.deliveries)
        yield Opened(storage.archive, writer, accounts.on_message(CAROL))


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    async with opened_archives() as opened:
        yield opened


def message(sender: str, to: str, body: str, id: str = "m", type: str = "chat") -> str:
    return (
        f"<message xmlns='jabber:client' from='{sender}' to='{to}' id='{id}' type='{type}'>"
        f"<body>{body}</body></message>"
    )


async def test_received_and_sent_messages_are_archived(opened: Opened) -> None:
    opened.take(message(f"{DAVE}/phone", f"{CAROL}/here", "Hi", "1"))
    opened.take(message(f"{CAROL}/here", DAVE, "Ho", "2"))

    assert await opened.bodies(CAROL) == [("Hi", Direction.RECEIVED), ("Ho", Direction.SENT)]
    assert await opened.bodies(DAVE) == []


async def test_message_of_a_room_is_archived_as_it_comes_back(opened: Opened) -> None:
    opened.take(message(f"{CAROL}/here", ROOM, "All", "1", "groupchat"))
    assert await opened.bodies(CAROL) == []
    opened.take(message(f"{ROOM}/carol", f"{CAROL}/here", "All", "1", "groupchat"))
    assert await opened.bodies(CAROL) == [("All", Direction.RECEIVED)]


async def test_message_of_another_account_reaches_no_archive(opened: Opened) -> None:
    """A server can send what it wants to its own user alone."""
    alice = f"alice@{HOST}"
    opened.take(message(f"{DAVE}/phone", alice, "forged"))
    opened.take(message(f"{DAVE}/phone", "eve@far.test", "forged"))
    for owner in (CAROL, DAVE, alice, "eve@far.test"):
        assert await opened.bodies(owner) == []


@pytest.mark.parametrize("xml", ["<message", "<message xmlns='jabber:client'>\ud800</message>"])
async def test_message_that_cannot_be_read_is_left_out(opened: Opened, xml: str) -> None:
    opened.take(xml)
    assert await opened.bodies(CAROL) == []


async def test_message_is_left_out_while_the_queue_is_full() -> None:
    async with open_storage("sqlite::memory:") as storage:
        # Nothing writes, so that the first message fills the queue.
        writer = Writer(storage.archive, pressure=Backpressure(1, lambda _: None))
        bench = DeliveryBench(writer)
        accounts = OtherAccounts(writer, Policy(), bench.sessions, bench.deliveries)
        take = accounts.on_message(CAROL)
        for number in range(5):
            take(message(f"{DAVE}/phone", f"{CAROL}/here", f"text {number}", f"m{number}"))
        assert len(writer.unwritten) == 1
