"""The fair reader: it reads in slices, completely and in order."""

from __future__ import annotations

import asyncio

import pytest

from component.xmpp.connection.fair_reader import GATHER_ABOVE, SLICE, FairReader
from component.xmpp.queries.exchange import HINTS

PAGE = GATHER_ABOVE - 14


class Connection(asyncio.Transport):
    """A transport that records whether it is read, and the slices that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[bytes] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.is_closed = False
        self.reader = FairReader(self, self.feed)

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


async def test_few_bytes_are_read_at_once(connection: Connection) -> None:
    connection.reader.take(b"a little")

    assert connection.read == [b"a little"]
    assert connection.is_read


@pytest.mark.parametrize("size", [SLICE, SLICE + 1, 10 * SLICE - 1])
async def test_many_bytes_are_read_completely_and_in_order(
    connection: Connection, size: int
) -> None:
    data = (b"0123456789" * size)[:size]
    connection.reader.take(data)
    await connection.reading.wait()

    assert b"".join(connection.read) == data
    assert max(map(len, connection.read)) <= SLICE


async def test_loop_runs_other_tasks_between_two_slices(connection: Connection) -> None:
    connection.reader.take(bytes(3 * SLICE))
    slice_counts = []
    while not connection.is_read:
        slice_counts.append(len(connection.read))
        await asyncio.sleep(0)

    assert set(slice_counts) == {1, 2}


async def test_bytes_received_meanwhile_are_read_after_the_rest(connection: Connection) -> None:
    connection.reader.take(b"1" * SLICE + b"2")
    connection.reader.take(b"3")
    await connection.reading.wait()

    assert b"".join(connection.read) == b"1" * SLICE + b"23"


async def test_nothing_is_read_while_reading_is_held(connection: Connection) -> None:
    connection.reader.take(b"1" * SLICE + b"2")
    connection.reader.hold(True)
    for _ in range(10):
        await asyncio.sleep(0)
    assert connection.read == [b"1" * SLICE]
    assert not connection.is_read

    connection.reader.hold(False)
    assert connection.read == [b"1" * SLICE]
    await connection.reading.wait()
    assert connection.read == [b"1" * SLICE, b"2"]


async def test_hold_called_by_feed_stops_after_the_slice(connection: Connection) -> None:
    connection.reader = FairReader(
        connection, lambda data: (connection.feed(data), connection.reader.hold(True))[0]
    )
    connection.reader.take(bytes(2 * SLICE))

    assert len(connection.read) == 1
    assert not connection.is_read


@pytest.mark.parametrize(("pages", "is_read"), [(1, True), (2, False)])
async def test_results_of_several_pages_gather_before_they_are_read(
    connection: Connection, pages: int, is_read: bool
) -> None:
    connection.reader.note_sent(results(pages * PAGE))
    connection.reader.take(results(1).encode())

    assert connection.read == [results(1).encode()]
    assert connection.is_read is is_read
    await connection.reading.wait()


async def test_messages_of_users_do_not_gather(connection: Connection) -> None:
    connection.reader.note_sent(results(2 * PAGE))
    connection.reader.take(b"<message/>")

    assert connection.is_read


async def test_reading_does_not_pause_after_all_results_came_back(connection: Connection) -> None:
    connection.reader.note_sent(results(2 * PAGE))
    connection.reader.take(results(2 * PAGE).encode())

    assert connection.is_read


@pytest.mark.parametrize(("pages", "is_read"), [(1, True), (2, False)])
async def test_results_that_come_back_twice_are_counted_twice(
    connection: Connection, pages: int, is_read: bool
) -> None:
    """ejabberd 23.10 and newer copy each result when it is sent and when it is delivered."""
    connection.reader.note_sent(results(1))
    connection.reader.take(results(2).encode())
    connection.reader.note_sent(results(pages * PAGE))
    connection.reader.take(results(PAGE).encode())

    assert connection.is_read is is_read


@pytest.mark.parametrize("sent_later", [0, PAGE])
async def test_results_that_do_not_come_back_in_time_are_not_expected_any_more(
    connection: Connection, sent_later: int
) -> None:
    connection.reader = FairReader(connection, connection.feed, return_seconds=0.01)
    connection.reader.note_sent(results(10 * PAGE))
    await asyncio.sleep(0.02)
    connection.reader.note_sent(results(sent_later))
    connection.reader.take(results(1).encode())

    assert connection.is_read


async def test_results_are_carried_when_all_of_them_have_come_back(connection: Connection) -> None:
    connection.reader.note_sent(results(3))
    carried = asyncio.create_task(connection.reader.wait_returned())
    connection.reader.take(results(2).encode())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not carried.done()

    connection.reader.note_sent(results(5))
    connection.reader.take(results(1).encode())
    await carried


@pytest.mark.parametrize("size", [1, 10, len(HINTS), len(results(1)) + 3])
async def test_results_in_pieces_come_back_as_well(connection: Connection, size: int) -> None:
    connection.reader.note_sent(results(3))
    data = results(3).encode()
    for start in range(0, len(data), size):
        connection.reader.take(data[start : start + size])

    await connection.reader.wait_returned()


async def test_results_that_never_come_back_are_not_waited_for_without_end(
    connection: Connection,
) -> None:
    connection.reader = FairReader(connection, connection.feed, return_seconds=0.01)
    connection.reader.note_sent(results(3))

    await connection.reader.wait_returned()


async def test_results_that_are_overdue_are_not_waited_for(connection: Connection) -> None:
    connection.reader = FairReader(connection, connection.feed, return_seconds=0.2)
    connection.reader.note_sent(results(3))
    await connection.reader.wait_returned()

    async with asyncio.timeout(0.1):
        await connection.reader.wait_returned()


async def test_reading_does_not_pause_while_bytes_are_unread(connection: Connection) -> None:
    connection.reader.note_sent(results(1000))
    connection.reader.take(results(2).encode() + bytes(SLICE))
    turns = 0
    while len(connection.read) < 2:
        await asyncio.sleep(0)
        turns += 1

    assert turns <= 3


@pytest.mark.parametrize("is_held", [False, True])
async def test_received_bytes_are_read_after_a_lost_connection(
    connection: Connection, is_held: bool
) -> None:
    connection.reader.take(b"1" * 3 * SLICE + b"2")
    connection.reader.hold(is_held)
    connection.is_closed = True
    connection.reader.finish()

    assert b"".join(connection.read) == b"1" * 3 * SLICE + b"2"


async def test_closed_connection_is_not_read(connection: Connection) -> None:
    connection.reader.take(bytes(2 * SLICE))
    connection.is_closed = True
    for _ in range(10):
        await asyncio.sleep(0)

    assert not connection.is_read
