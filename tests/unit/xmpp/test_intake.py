"""The intake: a little at a time, all of it, and in its order."""

from __future__ import annotations

import asyncio

import pytest

from component.xmpp.connection.fair_reader import GATHER_ABOVE, RETURN_SECONDS, SLICE, FairReader
from component.xmpp.queries.exchange import HINTS

PAGE = GATHER_ABOVE - 14


class Connection(asyncio.Transport):
    """A connection that tells whether it is read, and what was read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[bytes] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.is_closed = False
        self.intake = FairReader(self, self.feed)

    def feed(self, data: bytes) -> None:
        self.read.append(data)

    @property
    def is_read(self) -> bool:
        return self.reading.is_set()

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
async def connection() -> Connection:
    return Connection()


def results(count: int) -> str:
    return f"<message>{HINTS}</message>" * count


async def test_a_little_is_read_at_once(connection: Connection) -> None:
    connection.intake.take(b"a little")

    assert connection.read == [b"a little"]
    assert connection.is_read


@pytest.mark.parametrize("size", [SLICE, SLICE + 1, 10 * SLICE - 1])
async def test_much_is_read_whole_and_in_its_order(connection: Connection, size: int) -> None:
    data = (b"0123456789" * size)[:size]
    connection.intake.take(data)
    await connection.reading.wait()

    assert b"".join(connection.read) == data
    assert max(map(len, connection.read)) <= SLICE


async def test_others_have_their_turn_between_two_slices(connection: Connection) -> None:
    connection.intake.take(bytes(3 * SLICE))
    seen = []
    while not connection.is_read:
        seen.append(len(connection.read))
        await asyncio.sleep(0)

    assert set(seen) == {1, 2}


async def test_what_comes_in_between_is_read_behind_the_rest(connection: Connection) -> None:
    connection.intake.take(b"1" * SLICE + b"2")
    connection.intake.take(b"3")
    await connection.reading.wait()

    assert b"".join(connection.read) == b"1" * SLICE + b"23"


async def test_nothing_is_read_while_it_is_held(connection: Connection) -> None:
    connection.intake.take(b"1" * SLICE + b"2")
    connection.intake.hold(True)
    for _ in range(10):
        await asyncio.sleep(0)
    assert connection.read == [b"1" * SLICE]
    assert not connection.is_read

    connection.intake.hold(False)
    assert connection.read == [b"1" * SLICE]
    await connection.reading.wait()
    assert connection.read == [b"1" * SLICE, b"2"]


async def test_a_hold_from_within_stops_at_the_slice(connection: Connection) -> None:
    connection.intake = FairReader(
        connection, lambda data: (connection.feed(data), connection.intake.hold(True))[0]
    )
    connection.intake.take(bytes(2 * SLICE))

    assert len(connection.read) == 1
    assert not connection.is_read


@pytest.mark.parametrize(("pages", "is_read"), [(1, True), (2, False)])
async def test_the_results_of_several_pages_gather_before_they_are_read(
    connection: Connection, pages: int, is_read: bool
) -> None:
    connection.intake.note_sent(results(pages * PAGE))
    connection.intake.take(results(1).encode())

    assert connection.read == [results(1).encode()]
    assert connection.is_read is is_read
    await connection.reading.wait()


async def test_what_users_write_meanwhile_is_not_kept_waiting(connection: Connection) -> None:
    connection.intake.note_sent(results(2 * PAGE))
    connection.intake.take(b"<message/>")

    assert connection.is_read


async def test_what_has_come_back_is_waited_for_no_more(connection: Connection) -> None:
    connection.intake.note_sent(results(2 * PAGE))
    connection.intake.take(results(2 * PAGE).encode())

    assert connection.is_read


@pytest.mark.parametrize(("pages", "is_read"), [(1, True), (2, False)])
async def test_results_that_come_back_twice_are_counted_twice(
    connection: Connection, pages: int, is_read: bool
) -> None:
    """ejabberd 23.10 and newer copy each result when it is sent and when it is delivered."""
    connection.intake.note_sent(results(1))
    connection.intake.take(results(2).encode())
    connection.intake.note_sent(results(pages * PAGE))
    connection.intake.take(results(PAGE).encode())

    assert connection.is_read is is_read


@pytest.mark.parametrize("sent_later", [0, PAGE])
async def test_results_that_never_come_back_are_forgotten(
    connection: Connection, sent_later: int
) -> None:
    connection.intake.note_sent(results(10 * PAGE))
    connection.intake._sent_at -= 2 * RETURN_SECONDS
    connection.intake.note_sent(results(sent_later))
    connection.intake.take(results(1).encode())

    assert connection.is_read


async def test_what_is_there_to_be_read_is_not_waited_for(connection: Connection) -> None:
    connection.intake.note_sent(results(1000))
    connection.intake.take(results(2).encode() + bytes(SLICE))
    turns = 0
    while len(connection.read) < 2:
        await asyncio.sleep(0)
        turns += 1

    assert turns <= 3


@pytest.mark.parametrize("is_held", [False, True])
async def test_what_was_received_is_read_when_the_connection_is_lost(
    connection: Connection, is_held: bool
) -> None:
    connection.intake.take(b"1" * 3 * SLICE + b"2")
    connection.intake.hold(is_held)
    connection.is_closed = True
    connection.intake.finish()

    assert b"".join(connection.read) == b"1" * 3 * SLICE + b"2"


async def test_nothing_is_done_with_a_connection_that_is_closed(connection: Connection) -> None:
    connection.intake.take(bytes(2 * SLICE))
    connection.is_closed = True
    for _ in range(10):
        await asyncio.sleep(0)

    assert not connection.is_read
