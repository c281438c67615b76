"""The channel of a take-over: what each process does if the other one fails."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.wiring.take_over import channel
from component.wiring.take_over.channel import NotHandedOver
from component.wiring.take_over.handing import HandOver
from component.wiring.take_over.taking import TakeOver
from component.xmpp.connection.handed_stream import HandedStream

HANDED = HandedStream(end="me", opening=b"<stream>\xff", unread=b"<mess", received_until=7)
MAX_BYTES = 1000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a socket that is longer than an address of a Unix socket may be."""
    folder = tmp_path / ("folder" * 20)
    folder.mkdir()
    return channel.socket_path(folder / "muniment.db")


def stand_in(path: Path, *answers: bytes) -> asyncio.Task[None]:
    """Run a process that gives these answers to one that takes over, and ends."""
    listener = channel.listen(path)

    async def run() -> None:
        with listener:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        with connection:
            connection.settimeout(30)
            await asyncio.to_thread(channel.expect, connection, channel.ASK)
            for answer in answers:
                connection.sendall(answer)

    return asyncio.create_task(run())


def test_stream_arrives_with_its_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    server, client = socket.socketpair()
    with server, client:
        channel.send_stream(left, (client, HANDED))
        received = channel.receive_stream(right)
        assert received is not None
        connected, stream = received
        with connected:
            client.close()
            connected.sendall(b"still open")
            assert server.recv(100) == b"still open"
    assert stream == HANDED


def test_there_may_be_no_stream(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    channel.send_stream(left, None)
    assert channel.receive_stream(right) is None


def test_stream_that_cannot_be_read_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    server, client = socket.socketpair()
    with server, client:
        socket.send_fds(left, [(2).to_bytes(8, "big")], [client.fileno()])
        left.sendall(b"{}")
        with pytest.raises(NotHandedOver, match="cannot read"):
            channel.receive_stream(right)
        client.close()
        # Its socket is closed.
        assert server.recv(1) == b""


def test_end_of_the_other_process_is_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    left.close()
    with pytest.raises(NotHandedOver):
        channel.receive_stream(right)


def test_other_version_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    left.sendall(channel.ASK.replace(b"1", b"2"))
    with pytest.raises(NotHandedOver, match="another version"):
        channel.expect(right, channel.ASK)


def test_only_the_own_user_may_use_the_socket(path: Path) -> None:
    with channel.listen(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_process_without_a_running_one_takes_nothing_over(path: Path) -> None:
    taking = TakeOver(path, max_bytes=MAX_BYTES)
    await taking.take()
    assert taking.stream() is None


async def test_socket_of_a_killed_process_is_no_running_one(path: Path) -> None:
    channel.listen(path).close()
    taking = TakeOver(path, max_bytes=MAX_BYTES)
    await taking.take()
    assert taking.stream() is None
    with channel.listen(path):
        pass


async def test_process_goes_on_if_the_running_one_ends_before_it_hands_over(path: Path) -> None:
    running = stand_in(path, channel.ACCEPTED)
    taking = TakeOver(path, max_bytes=MAX_BYTES)
    await taking.take()
    await running
    assert taking.stream() is None


async def test_running_process_of_another_version_is_not_taken_over(path: Path) -> None:
    running = stand_in(path, b"welcome!\n")
    with pytest.raises(NotHandedOver, match="another version"):
        await TakeOver(path, max_bytes=MAX_BYTES).take()
    await running


async def test_requests_go_to_the_running_process_and_both_say_that_they_go_on(
    path: Path,
) -> None:
    requested = asyncio.Event()
    handing = HandOver(requested.set)
    handing.listen(path)
    taking = TakeOver(path, max_bytes=MAX_BYTES)
    taken = asyncio.create_task(taking.take())
    async with asyncio.timeout(30):
        await requested.wait()
    assert handing.is_requested
    assert handing._taker is not None
    server, client = socket.socketpair()
    with server, client:
        await asyncio.to_thread(channel.send_stream, handing._taker, (client, HANDED))
        server.sendall(b"age from='x'/>")
        await handing.stop_listening()
        assert not path.exists()
        assert await handing.finish()
        async with asyncio.timeout(30):
            await taken
            # What arrives before the store is open is kept.
            while not taking._read:  # noqa: ASYNC110 - no event shows it
                await asyncio.sleep(0.001)
        stream = taking.stream()
        assert stream is not None
        stream[0].close()
        assert stream[1].unread == b"<message from='x'/>"


async def test_process_that_takes_over_and_dies_is_noticed(path: Path) -> None:
    requested = asyncio.Event()
    handing = HandOver(requested.set)
    handing.listen(path)
    with socket.socket(socket.AF_UNIX) as taker:
        with channel.short(path) as address:
            taker.connect(address)
        taker.sendall(channel.ASK)
        async with asyncio.timeout(30):
            await requested.wait()
    await handing.stop_listening()
    assert not await handing.finish()


async def test_process_that_asks_wrongly_does_not_end_the_running_one(path: Path) -> None:
    requested = asyncio.Event()
    handing = HandOver(requested.set)
    handing.listen(path)
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as taker, channel.short(path) as address:
            taker.connect(address)
            taker.sendall(b"x" * len(channel.ASK))
            taker.settimeout(30)
            assert await asyncio.to_thread(taker.recv, 1) == b""
    assert not requested.is_set()
    await handing.stop_listening()
    assert await handing.finish()


async def test_nobody_takes_over_if_there_is_no_path() -> None:
    handing = HandOver(lambda: None)
    handing.listen(None)
    await handing.stop_listening()
    assert await handing.finish()
