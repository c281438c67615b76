"""A raw HTTP client that searches bytes instead of parsing, to use little CPU time."""

from __future__ import annotations

import asyncio
import re
from typing import Self, cast

from support.ports import LOOPBACK

from benchmarks.xmpp import Unexpected

#: Seconds for an answer.
ANSWER_SECONDS = 30.0

#: What the head of an answer ends with.
HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class AnswerReader:
    """Cuts what a connection receives into answers, each of which has a length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._end = 0  # of the answer that arrives, 0 while its length is not known

    def take(self, data: bytes) -> bytes | None:
        """Return the answer that ends with these bytes, None if it has not ended."""
        self._buffer += data
        if not self._end:
            place = self._buffer.find(HEAD_END)
            length = _LENGTH.search(self._buffer, 0, place + 2) if place >= 0 else None
            if length is None:
                return None
            self._end = place + len(HEAD_END) + int(length[1])
        if len(self._buffer) < self._end:
            return None
        answer = bytes(self._buffer[: self._end])
        del self._buffer[: self._end]
        self._end = 0
        return answer


class HttpConnection(asyncio.Protocol):
    """A connection that sends one request at a time, whose answer has a length."""

    def __init__(self) -> None:
        self._reader = AnswerReader()
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Return a new connection."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, LOOPBACK, port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Unexpected("the connection is lost"))

    def data_received(self, data: bytes) -> None:
        answer = self._reader.take(data)
        if answer is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    async def ask(self, request: bytes) -> bytes:
        """Send a request, and return the whole answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()


def request(
    method: str, path: str, *, address: str, token: str | None = None, body: bytes = b""
) -> bytes:
    """Return a request of a user at `address`, as a trusted proxy passes it on."""
    fields = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", f"X-Forwarded-For: {address}"]
    if token is not None:
        fields.append(f"Authorization: Bearer {token}")
    if body:
        fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*fields, "", ""]).encode() + body


def status(answer: bytes) -> int:
    """Return the status of an answer."""
    return int(answer[9:12])
