"""A stream that is handed over: another gate continues it at any byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

import pytest
from support.wire import (
    COMPONENT,
    HANDSHAKE,
    HEADER,
    HOST,
    PATIENCE,
    SECRET,
    Server,
    chat,
    copy_of,
    until,
)

from component.core.xml.stream_parser import Element
from component.xmpp.connection.connector import Connector
from component.xmpp.connection.gate import Gate
from component.xmpp.connection.handed_stream import HandedStream
from component.xmpp.connection.stream import Stream

Handed = tuple[socket, HandedStream] | None

GRANT = (
    f"<message from='{HOST}' to='{COMPONENT}'><delegation xmlns='urn:xmpp:delegation:1'>"
    "<delegated namespace='urn:xmpp:mam:2'/></delegation></message>"
)
NOTE = f"<message from='{HOST}' to='{COMPONENT}'><body>a note</body></message>"
LARGE = chat("x" * 5000)


class Reader:
    """A gate with what it delivered and archived."""

    def __init__(self) -> None:
        self.copies: list[bytes] = []
        self.delivered: list[bytes] = []
        self.gate = Gate(
            lambda _, __, raw: self.copies.append(raw),
            self.delivered.append,
            max_bytes=4000,
            max_depth=16,
        )


TEXT = "".join([copy_of(chat("one")), GRANT, copy_of(chat("zwei ü")), " ", copy_of(chat("3"))])


def whole() -> list[bytes]:
    """Return the copies that one gate reads."""
    reader = Reader()
    reader.gate.feed((HEADER + HANDSHAKE + TEXT).encode())
    return reader.copies


@pytest.mark.parametrize("place", range(0, len(TEXT.encode()) + 1, 3))
def test_gate_that_continues_reads_each_copy_once(place: int) -> None:
    data = TEXT.encode()
    first, second = Reader(), Reader()
    first.gate.feed((HEADER + HANDSHAKE).encode())
    first.gate.feed(data[:place])
    unfinished = first.gate.unfinished
    assert unfinished is not None
    second.gate.feed(first.gate.opening)
    second.gate.feed(unfinished + data[place:])
    assert first.copies + second.copies == whole()
    assert len(whole()) == 3


def test_gate_that_continues_knows_header_handshake_and_grants() -> None:
    first, second = Reader(), Reader()
    first.gate.feed((HEADER + HANDSHAKE + NOTE + GRANT).encode())
    second.gate.feed(first.gate.opening)
    assert second.delivered == [d for d in first.delivered if b"a note" not in d]
    assert b"delegated" in second.delivered[-1]
    assert second.gate.opening == first.gate.opening


def test_stream_before_the_handshake_is_not_handed_over() -> None:
    reader = Reader()
    reader.gate.feed(HEADER.encode())
    assert reader.gate.unfinished is None


def test_stream_in_a_stanza_that_is_too_large_is_handed_over_only_behind_it() -> None:
    reader, data = Reader(), copy_of(LARGE).encode()
    reader.gate.feed((HEADER + HANDSHAKE).encode())
    reader.gate.feed(data[:4500])
    assert reader.gate.unfinished is None
    reader.gate.feed(data[4500:])
    assert reader.gate.unfinished == b""


# --- streams and connectors


class End:
    """A stream of one process, with its connector and the texts that it has archived."""

    def __init__(self, port: int, jid: str = COMPONENT) -> None:
        self.bodies: list[str] = []
        self.stream = Stream(jid, SECRET, max_stanza_bytes=4000, max_stanza_depth=16)
        self.stream.listen(self._take, lambda *_: False)
        self.connector = Connector(self.stream, "127.0.0.1", port, HOST, PATIENCE)

    def _take(self, _: str, stanza: Element, raw: bytes) -> None:
        self.bodies.append(raw.decode().partition("<body>")[2].partition("</body>")[0])


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.open()
    yield server
    await server.close()


@asynccontextmanager
async def running(end: End, handed: Handed = None) -> AsyncIterator[asyncio.Task[None]]:
    """Keep the connector of an end running."""
    task = asyncio.create_task(end.connector.run(handed))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        end.stream.abort()


async def released(end: End, task: asyncio.Task[None]) -> Handed:
    """Release the stream of an end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return await end.connector.release(patience=30)


async def test_server_does_not_notice_that_another_process_continues_the_stream(
    server: Server,
) -> None:
    old, new = End(server.port), End(server.port)
    async with running(old) as task:
        peer = await server.accept()
        await peer.welcome()
        copies = copy_of(chat("one")) + copy_of(chat("two"))
        peer.send(copies[:-20])
        await until(lambda: old.bodies == ["one"])
        handed = await released(old, task)
        assert handed is not None
        old.connector.abandon()
        # Nothing that the old process still sends arrives.
        old.stream.send_at_once("<message to='nobody'/>")
        peer.send(copies[-20:])
        async with running(new, handed):
            peer.send(copy_of(chat("three")))
            await until(lambda: new.bodies == ["two", "three"])
            assert new.stream.is_up
            assert new.stream.continued_since == handed[1].received_until
            new.stream.send_at_once("<message to='somebody'/>")
            assert (await peer.next()).get("to") == "somebody"
    assert old.bodies == ["one"]
    assert peer.received.count(b"<stream:stream") == 1
    assert peer.received.count(b"handshake") == 2


async def test_process_with_another_domain_does_not_continue_the_stream(server: Server) -> None:
    old, new = End(server.port), End(server.port, "other.example.org")
    async with running(old) as task:
        peer = await server.accept()
        await peer.welcome()
        await until(lambda: old.stream.is_up)
        handed = await released(old, task)
        old.connector.abandon()
        async with running(new, handed):
            other = await server.accept()
            await other.welcome()
            await until(lambda: new.stream.is_up)
            assert new.stream.continued_since is None
            await peer.connection_closed()


async def test_process_that_cannot_hand_over_continues_the_stream(server: Server) -> None:
    old = End(server.port)
    async with running(old) as task:
        peer = await server.accept()
        await peer.welcome()
        await until(lambda: old.stream.is_up)
        large = copy_of(LARGE)
        peer.send(large[:4500])
        await until(lambda: old.stream._gate is not None and old.stream._gate.unfinished is None)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        releasing = asyncio.create_task(old.connector.release(patience=0.2))
        assert await releasing is None
        peer.send(large[4500:] + copy_of(chat("behind it")))
        await until(lambda: old.bodies == ["behind it"])
