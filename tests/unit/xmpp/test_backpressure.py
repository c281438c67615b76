"""A store slower than the server: the server waits, and no message is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.wire import (
    ALICE,
    COMPONENT,
    Wire,
    chat,
    copy_of,
    open_wire,
    until,
)

from component.core.archiving.pressure import size_of
from storage.rows import ANY

CAPACITY = 64 * 1024
SMALL = {"queue_bytes": CAPACITY}

#: This number of messages is more than the queue holds.
FULL = 40


def pour(wire: Wire, count: int, first: int = 0, padding: str = "") -> None:
    """Send this number of copies."""
    for number in range(first, first + count):
        wire.peer.send(copy_of(chat(f"{number}{padding}", id=str(number))))


async def test_full_queue_stops_reading(tmp_path: Path) -> None:
    async with open_wire(tmp_path, writing=False, archive=SMALL) as wire:
        pour(wire, FULL)

        await until(lambda: not wire.stream.is_reading)


async def test_queue_with_room_does_not_stop_reading(tmp_path: Path) -> None:
    async with open_wire(tmp_path, writing=False, archive=SMALL) as wire:
        pour(wire, 4)  # each message is in two archives
        await wire.caught_up()

        assert wire.stream.is_reading


async def test_reading_resumes_when_the_queue_has_room(tmp_path: Path) -> None:
    async with open_wire(tmp_path, writing=False, archive=SMALL) as wire:
        pour(wire, FULL)
        await until(lambda: not wire.stream.is_reading)
        wire.write()

        await until(lambda: wire.stream.is_reading)


async def test_server_waits_while_the_queue_is_full(tmp_path: Path) -> None:
    async with open_wire(tmp_path, writing=False, archive=SMALL) as wire:
        pour(wire, 10_000, padding="x" * 2000)
        await until(lambda: not wire.stream.is_reading)

        # The reader has read one piece before the hold, and no byte after it.
        assert wire.writer.backlog < 2000


async def test_no_message_is_lost_while_the_server_waits(tmp_path: Path) -> None:
    async with open_wire(tmp_path, writing=False, archive=SMALL) as wire:
        pour(wire, 3000, padding="x" * 1000)
        await until(lambda: not wire.stream.is_reading)
        wire.write()

        bodies = await wire.bodies(ALICE)
        assert [body.rstrip("x") for body in bodies] == [str(number) for number in range(3000)]


async def test_new_connection_is_not_read_while_the_queue_is_full(
    tmp_path: Path,
) -> None:
    async with open_wire(tmp_path, writing=False, archive=SMALL) as wire:
        pour(wire, FULL)
        await until(lambda: not wire.stream.is_reading)
        wire.stream.abort()
        second_peer = await wire.server.accept()
        second_peer.send("<x/>")

        assert not wire.stream.is_reading
        assert not wire.stream.transport.is_reading()
        wire.peer = second_peer
        wire.write()


async def test_bytes_received_before_a_lost_connection_are_archived_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copies = [copy_of(chat(f"{number}{'x' * 1000}", id=str(number))) for number in range(100)]
    question = f"<iq type='get' id='hush' from='{ALICE}' to='{COMPONENT}'/>"
    async with open_wire(tmp_path) as wire:
        await wire.caught_up()
        wire.stream.data_received("".join([*copies[:-1], question, copies[-1]]).encode())
        wire.stream.abort()
        await until(lambda: not wire.stream.is_up)
        await wire.parts.preference_filter.wait_durable()

        assert await wire.archive.count(ALICE, ANY) == len(copies)
        assert "hush" not in caplog.text


async def test_large_messages_fill_the_queue_by_their_bytes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    room = 4 * 1024 * 1024
    async with open_wire(tmp_path, writing=False, archive={"queue_bytes": room}) as wire:
        pour(wire, 200, padding="x" * 240_000)
        await until(lambda: not wire.stream.is_reading)
        await wire.parts.preference_filter.wait_judged()

        assert room <= size_of(wire.parts.writer.unwritten) < 2 * room
        assert "Muniment stops reading" in caplog.text
