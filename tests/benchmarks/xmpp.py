"""A raw XMPP client that searches bytes instead of parsing XML, to use little CPU time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import cast

from support.ports import LOOPBACK

from benchmarks.servers.ejabberd import HOST

PASSWORD = "benchmark"
ANSWER_SECONDS = 60.0

_OPEN = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' xml:lang='en' to='{host}'>"
)


class Unexpected(Exception):
    """The server sent an unexpected answer."""


class Session(asyncio.Protocol):
    """A stream of a user. While `on_data` is set, it is called with all received bytes."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.jid = f"{user}@{HOST}"
        self.on_data: Callable[[bytes], None] | None = None
        self._buffer = bytearray()
        self._token = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._is_writable = asyncio.Event()
        self._is_writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.on_data is not None:
            self.on_data(data)
            return
        start = max(0, len(self._buffer) - len(self._token))
        self._buffer += data
        self._look(start)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Unexpected(f"{self.user}: the connection is lost"))

    @property
    def is_closed(self) -> bool:
        """Return whether the connection is closed, by either side."""
        return self._transport.is_closing()

    def pause_writing(self) -> None:
        self._is_writable.clear()

    def resume_writing(self) -> None:
        self._is_writable.set()

    def send(self, data: bytes) -> None:
        """Send bytes now."""
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the server has accepted most of the sent bytes."""
        await self._is_writable.wait()

    async def ask(self, data: bytes, token: bytes) -> bytes:
        """Send bytes, and return the received bytes up to the end of a token."""
        self._transport.write(data)
        return await self.until(token)

    async def until(self, token: bytes) -> bytes:
        """Return the received bytes up to the end of a token."""
        self._token = token
        self._answer = asyncio.get_running_loop().create_future()
        self._look(0)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answer

    def _look(self, start: int) -> None:
        if self._answer is None or self._answer.done():
            return
        place = self._buffer.find(self._token, start)
        if place >= 0:
            end = place + len(self._token)
            answer = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._answer.set_result(answer)

    def close(self) -> None:
        """Close the stream."""
        self.on_data = None
        self._transport.write(b"</stream:stream>")
        self._transport.close()


async def login(port: int, user: str, resource: str = "bench") -> Session:
    """Return a session of a user who has an account."""
    session = await _connected(port, user)
    secret = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
    await _expect(
        session,
        f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>",
        b"urn:ietf:params:xml:ns:xmpp-sasl",
        expected=b"<success",
    )
    await session.ask(_OPEN.format(host=HOST).encode(), b"</stream:features>")
    bind = (
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<resource>{resource}</resource></bind></iq>"
    )
    await _expect(session, bind, b"</iq>", expected=b"result")
    session.send(b"<presence/>")
    # The server sends everything that the presence causes before this answer.
    ping = f"<iq type='get' id='ping' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>"
    await session.ask(ping.encode(), b"id='ping'")
    return session


async def register(port: int, user: str) -> None:
    """Create an account (XEP-0077)."""
    session = await _connected(port, user)
    request = (
        "<iq type='set' id='register'><query xmlns='jabber:iq:register'>"
        f"<username>{user}</username><password>{PASSWORD}</password></query></iq>"
    )
    session.send(request.encode())
    answer = await session.until(b">")
    while b"id='register'" not in answer:
        answer = await session.until(b">")
    session.close()
    if b"type='result'" not in answer:
        raise Unexpected(f"{user}: no account: {answer!r}")


async def _connected(port: int, user: str) -> Session:
    loop = asyncio.get_running_loop()
    _, session = await loop.create_connection(lambda: Session(user), LOOPBACK, port)
    await session.ask(_OPEN.format(host=HOST).encode(), b"</stream:features>")
    return session


async def _expect(session: Session, request: str, token: bytes, *, expected: bytes) -> None:
    answer = await session.ask(request.encode(), token)
    if expected not in answer:
        raise Unexpected(f"{session.user}: {answer!r}")
