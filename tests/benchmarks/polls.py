"""Users who have signed in: their tokens, and raw HTTP clients that poll or follow a stream."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from support.ports import LOOPBACK

from benchmarks.raw_http import ANSWER_SECONDS, HEAD_END, AnswerReader
from benchmarks.servers.ejabberd import HOST
from benchmarks.xmpp import Unexpected
from component.core.tokens.access_tokens import AccessTokens, Key
from component.core.tokens.refresh_tokens import RefreshToken
from storage.open import open_storage
from storage.rows import SignIn

#: Seconds for which a poll waits.
WAIT_SECONDS = 50

_LIFETIME_SECONDS = 3600
_MICROSECONDS = 1_000_000

_CURSOR = b'"cursor":"'
_EVENT = b"event: message\n"
_ID = re.compile(rb"\bm([0-9a-f]{8})\b")


async def sign_in(database: Path, key: Key, users: Sequence[str]) -> dict[str, str]:
    """Write a sign-in of each user into a store, and return the access tokens by user.

    Muniment must not run meanwhile.
    """
    tokens = AccessTokens(key, lifetime_seconds=_LIFETIME_SECONDS)
    now = int(time.time())
    access = {}
    async with open_storage(f"sqlite:{database}", synchronous="off") as storage:
        for user in users:
            refresh, jid = RefreshToken.generate(), f"{user}@{HOST}"
            row = SignIn(
                id=refresh.sign_in,
                jid=jid,
                label="",
                created_at=now * _MICROSECONDS,
                refreshed_at=now * _MICROSECONDS,
                expires_at=(now + _LIFETIME_SECONDS) * _MICROSECONDS,
                token_hash=refresh.hash,
            )
            await storage.sign_ins.add(row, limit=1, revocations=0)
            access[user] = tokens.issue(jid, row.id, now)
    return access


class HttpClient(asyncio.Protocol):
    """A connection of a user that sends one request at a time."""

    def __init__(self, user: str, token: str) -> None:
        self.user = user
        self._path = f"/api/v1/archives/{user}@{HOST}"
        self._fields = f"Host: {LOOPBACK}\r\nAuthorization: Bearer {token}\r\n"
        self._is_connected = False
        self._reader = AnswerReader()
        self._cursor = b""
        self._answer: asyncio.Future[bytes] | None = None
        #: called with the numbers of the messages in each answer to a poll
        self.on_messages: Callable[[set[bytes]], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection is lost")

    def data_received(self, data: bytes) -> None:
        answer = self._reader.take(data)
        if answer is not None:
            self._take(answer)

    async def connect(self, port: int) -> None:
        """Connect, unless this was done before: Muniment closes a connection that stays silent."""
        if not self._is_connected:
            self._is_connected = True
            await asyncio.get_running_loop().create_connection(lambda: self, LOOPBACK, port)

    async def post(self, path: str, body: str) -> bytes:
        """Send a body in JSON to a path below the user's own archive; return the answer."""
        head = f"POST {self._path}/{path} HTTP/1.1\r\n{self._fields}"
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._ask(f"{head}{fields}{body}".encode())

    async def find_end(self) -> None:
        """Read the events so far, to poll behind them."""
        await self._ask(self._events("0"))

    def poll(self, wait: int = WAIT_SECONDS) -> None:
        """Poll from now on, again after each answer; the first poll waits `wait` seconds."""
        self._transport.write(self._events(self._cursor.decode(), wait))

    def close(self) -> None:
        """Close the connection."""
        self.on_messages = None
        if self._is_connected:
            self._transport.abort()

    def _events(self, after: str, wait: int = 0) -> bytes:
        path = f"{self._path}/events?after={after}&wait={wait}"
        return f"GET {path} HTTP/1.1\r\n{self._fields}\r\n".encode()

    async def _ask(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answer

    def _take(self, answer: bytes) -> None:
        if not answer.startswith(b"HTTP/1.1 20"):
            self._fail(answer.decode())
            return
        place = answer.rfind(_CURSOR)
        if place >= 0:
            begin = place + len(_CURSOR)
            self._cursor = answer[begin : answer.index(b'"', begin)]
        if self._answer is not None:
            awaited, self._answer = self._answer, None
            awaited.set_result(answer)
        elif self.on_messages is not None:
            self.on_messages(set(_ID.findall(answer)))
            self.poll()

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Unexpected(f"{self.user}: {why}"))
        elif self.on_messages is not None:
            raise Unexpected(f"{self.user}: {why}")


class StreamClient(asyncio.Protocol):
    """A connection of a user that follows the live stream of the own archive."""

    def __init__(self, user: str, token: str) -> None:
        self.user = user
        self.messages = 0  #: that have arrived
        path = f"/api/v1/archives/{user}@{HOST}/stream"
        fields = f"Host: {LOOPBACK}\r\nAuthorization: Bearer {token}\r\n"
        self._request = f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()
        self._answer = b""
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._opened.done():
            self._answer += data
            if HEAD_END in self._answer:
                self._note_opened()
            return
        data = self._rest + data
        self.messages += data.count(_EVENT)
        # The next part begins with what may be the beginning of another event.
        self._rest = data[-len(_EVENT) + 1 :]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(Unexpected(f"{self.user}: the connection is lost"))

    async def open(self, port: int) -> None:
        """Connect, and return when the stream has begun."""
        await asyncio.get_running_loop().create_connection(lambda: self, LOOPBACK, port)
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._opened

    def close(self) -> None:
        """Close the connection."""
        self._transport.abort()

    def _note_opened(self) -> None:
        if self._answer.startswith(b"HTTP/1.1 200"):
            self._opened.set_result(None)
        else:
            self._opened.set_exception(Unexpected(f"{self.user}: {self._answer.decode()}"))
