"""Limits of time and size for connections and requests."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
from aiohttp import ClientSession
from support.databases import blocked
from support.http_services import SECRET, SECRET_HEADERS, SETTINGS, message, post

from component.web.app import serve
from component.web.server import limits
from component.web.server.limits import LINE_MAX_BYTES
from component.web.server.settings import Services

#: The limits in these tests, and the longest delay of a limit on a busy machine.
SHORT = 0.3
LONG = 30.0
AT_MOST = 30.0
PATIENCE = 90.0

HEAD = b"GET /api/archive?username=alice HTTP/1.1\r\nHost: x\r\nX-Api-Key: s3cret\r\n\r\n"
POST = b"POST /api/archive HTTP/1.1\r\nHost: x\r\nX-Api-Key: s3cret\r\n"
JSON = b"Content-Type: application/json\r\n"

DECISION = Path(__file__).parents[3] / "docs/decisions/0008-dependencies.md"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[..., AbstractAsyncContextManager["Server"]]


class Server:
    """A running server, and raw connections to it."""

    def __init__(self, url: str) -> None:
        self.url = url

    @asynccontextmanager
    async def connect(self, *, receive_bytes: int | None = None) -> AsyncIterator[Streams]:
        """Connect; `receive_bytes` is the size of the receive buffer of the caller."""
        place = urlsplit(self.url)
        connection = socket.socket()
        connection.setblocking(False)
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(connection, (place.hostname, place.port))
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def exchange(self, request_bytes: bytes) -> bytes:
        """Send some bytes and return all bytes received until the server closes."""
        async with self.connect() as (reader, writer):
            writer.write(request_bytes)
            return await until_closed(reader)


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(AT_MOST):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def answers(received: bytes) -> list[tuple[int, Any]]:
    """Return the status and the JSON of each answer."""
    parsed_answers = []
    while received:
        head, _, remainder = received.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        parsed_answers.append((int(head.split()[1]), orjson.loads(remainder[:length] or b"null")))
        received = remainder[length:]
    return parsed_answers


async def has_room_for(server: Server, callers: int) -> bool:
    """Return whether this number of callers is answered at the same time."""
    async with AsyncExitStack() as connected:
        for _ in range(callers):
            reader, writer = await connected.enter_async_context(server.connect())
            writer.write(HEAD)
            try:
                status_line = await reader.readline()
            except ConnectionError:
                return False
            if b" 200 " not in status_line:
                return False
    return True


@pytest.fixture
def served(services: Services) -> Serve:
    """Serve with these limits; all other limits are long."""

    @asynccontextmanager
    async def start(**limits: Any) -> AsyncIterator[Server]:
        timeouts = {
            "header_timeout_seconds": LONG,
            "body_timeout_seconds": LONG,
            "request_timeout_seconds": LONG,
            "keepalive_timeout_seconds": LONG,
            "stop_timeout_seconds": SHORT,
        }
        async with serve(replace(SETTINGS, **timeouts | limits), services) as url:
            yield Server(url)

    return start


def test_installed_aiohttp_is_a_version_that_is_tested() -> None:
    """`Connection` overrides methods of aiohttp that are not public."""
    minor = ".".join(aiohttp.__version__.split(".")[:2])

    for text in (limits.__doc__ or "", DECISION.read_text()):
        assert f"tested with aiohttp {minor}" in text


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nX-Y: " + b"y" * 99],
)
async def test_incomplete_head_is_closed(served: Serve, request_bytes: bytes) -> None:
    async with served(header_timeout_seconds=SHORT) as server:
        assert await server.exchange(request_bytes) == b""


async def test_trickling_head_is_closed(served: Serve) -> None:
    async with (
        served(header_timeout_seconds=SHORT) as server,
        server.connect() as (reader, writer),
        asyncio.timeout(AT_MOST),
    ):
        while not reader.at_eof():
            writer.write(b"G")
            await asyncio.sleep(SHORT / 5)
            if writer.is_closing():
                break


async def test_incomplete_second_head_is_closed(served: Serve) -> None:
    async with (
        served(header_timeout_seconds=SHORT) as server,
        server.connect() as (reader, writer),
    ):
        writer.write(HEAD)
        await reader.readuntil(b"}")
        writer.write(HEAD[:20])

        assert await until_closed(reader) == b""


async def test_incomplete_head_after_a_request_is_closed_like_an_idle_connection(
    served: Serve,
) -> None:
    async with served(keepalive_timeout_seconds=SHORT) as server:
        received = await server.exchange(HEAD + HEAD[:20])

    assert [status for status, _ in answers(received)] == [200]


async def test_each_head_has_its_own_time(served: Serve) -> None:
    async with (
        served(header_timeout_seconds=SHORT) as server,
        server.connect() as (reader, writer),
        asyncio.timeout(AT_MOST),
    ):
        for _ in range(4):
            writer.write(HEAD)
            assert await reader.readuntil(b"}")
            await asyncio.sleep(SHORT / 2)


async def test_idle_connection_is_closed(served: Serve) -> None:
    async with served(keepalive_timeout_seconds=SHORT) as server:
        received = await server.exchange(HEAD)

    assert [status for status, _ in answers(received)] == [200]


async def test_incomplete_body_is_408(served: Serve) -> None:
    async with served(body_timeout_seconds=SHORT) as server:
        received = await server.exchange(POST + JSON + b"Content-Length: 99\r\n\r\n{")

    ((status, error),) = answers(received)
    assert (status, error["error"]) == (408, "remote-server-timeout")


async def test_incomplete_body_of_a_get_is_closed(served: Serve) -> None:
    async with served() as server:
        received = await server.exchange(HEAD[:-2] + b"Content-Length: 99\r\n\r\n{")

    assert [status for status, _ in answers(received)] == [200]


async def test_announced_large_body_is_413_before_it_is_read(served: Serve) -> None:
    async with served(max_body_bytes=1024) as server:
        received = await server.exchange(POST + JSON + b"Content-Length: 9999999999\r\n\r\n{")

    ((status, error),) = answers(received)
    assert (status, error["error"]) == (413, "policy-violation")


SWELLING = zlib.compress(bytes(200_000_000), level=1)


@pytest.mark.parametrize("encoding", [b"deflate", b"gzip", b"br", b"GZIP, gzip", b""])
async def test_compressed_body_is_415_and_not_expanded(
    served: Serve, caplog: pytest.LogCaptureFixture, encoding: bytes
) -> None:
    """Each of these bodies would expand to 200 megabytes, or is malformed."""
    head = JSON + b"Content-Encoding: %b\r\nContent-Length: %d\r\n" % (encoding, len(SWELLING))
    async with served() as server:
        before = time.process_time()
        received = await server.exchange(POST + head + b"Connection: close\r\n\r\n" + SWELLING)
        seconds = time.process_time() - before

    ((status, error),) = answers(received)
    assert (status, error["error"]) == (415, "not-acceptable")
    assert seconds < 0.2
    assert "Traceback" not in caplog.text


async def test_body_with_the_encoding_identity_is_read(served: Serve) -> None:
    async with served() as server, ClientSession(headers=SECRET_HEADERS) as client:
        headers = {"Content-Encoding": "identity"}
        answer = await client.post(f"{server.url}/api/archive", json=post(1), headers=headers)

        assert answer.status == 200


async def test_one_connection_too_many_is_503(served: Serve) -> None:
    async with served(max_connections=3) as server:
        async with AsyncExitStack() as full:
            for _ in range(3):
                reader, writer = await full.enter_async_context(server.connect())
                writer.write(HEAD)
                await reader.readuntil(b"}")

            ((status, error),) = answers(await server.exchange(HEAD))
            assert (status, error["error"]) == (503, "resource-constraint")
        await asyncio.sleep(SHORT)
        async with ClientSession(headers=SECRET_HEADERS) as client:
            answer = await client.get(f"{server.url}/api/archive?username=alice")
            assert answer.status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        b"NOT HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Api-Key : s3cret\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: s3cret\x00\r\n\r\n",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + JSON + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
async def test_malformed_http_is_400_in_json_and_one_line_in_the_log(
    served: Serve, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    caplog.set_level(logging.DEBUG, "component")
    async with served() as server:
        received = await server.exchange(request_bytes)

    ((status, error),) = answers(received)
    assert (status, error["error"]) == (400, "bad-request")
    assert "Traceback" not in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: " + SECRET.encode() * 5000 + b"\r\n\r\n",
        b"GET /?" + SECRET.encode() * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_too_long_line_is_431(
    served: Serve, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    caplog.set_level(logging.DEBUG, "component")
    async with served() as server:
        received = await server.exchange(request_bytes)

    ((status, error),) = answers(received)
    assert (status, error["error"]) == (431, "policy-violation")
    assert str(LINE_MAX_BYTES) in error["message"]
    assert "Traceback" not in caplog.text
    assert SECRET not in caplog.text + str(error)


async def test_unknown_expectation_is_417_in_json(served: Serve) -> None:
    async with served() as server:
        received = await server.exchange(HEAD[:-2] + b"Expect: x\r\nConnection: close\r\n\r\n")

    ((status, error),) = answers(received)
    assert (status, error["error"]) == (417, "not-acceptable")


async def test_request_that_takes_too_long_is_503(served: Serve, services: Services) -> None:
    async with (
        served(request_timeout_seconds=SHORT) as server,
        ClientSession(headers=SECRET_HEADERS) as client,
    ):
        async with blocked(services.storage):
            answer = await client.post(f"{server.url}/api/archive", json=post())

        assert answer.status == 503
        assert (await answer.json())["error"] == "resource-constraint"
        second = await client.post(f"{server.url}/api/archive", json=post())
        assert second.status == 200


async def test_connection_with_an_unread_answer_is_closed(
    served: Serve, services: Services
) -> None:
    async with (
        served(request_timeout_seconds=1.0, page_max_bytes=100_000_000) as server,
        ClientSession(headers=SECRET_HEADERS) as client,
    ):
        large = message("bob@example.org", "alice@example.org", "x" * 900_000)
        for second in range(25):
            posted = await client.post(f"{server.url}/api/archive", json=post(second, xml=large))
            assert posted.status == 200

        async with server.connect() as (reader, writer):
            writer.write(HEAD)
            await asyncio.sleep(2.0)
            received = await until_closed(reader)

    # The answer has 45 MB; the buffers of the system take as many of them as they like.
    assert len(received) < 40_000_000


async def test_unread_answers_leave_no_open_connection(served: Serve) -> None:
    # The buffers of the system decide where each connection stops: within an answer, after one,
    # or with the end of one in our own buffer. So the callers ask for different numbers of bytes,
    # in steps of 42 kB, which is less than the 64 kB that asyncio would buffer.
    requests_of_callers = range(3, 121, 3)
    callers = len(requests_of_callers)
    async with (
        served(
            request_timeout_seconds=1.0, keepalive_timeout_seconds=1.0, max_connections=callers
        ) as server,
        AsyncExitStack() as stack,
    ):
        async with ClientSession(headers=SECRET_HEADERS) as client:
            xml = message("bob@example.org", "alice@example.org", "x" * 14_000)
            await client.post(f"{server.url}/api/archive", json=post(xml=xml))
        for requests in requests_of_callers:
            _, writer = await stack.enter_async_context(server.connect(receive_bytes=4096))
            writer.transport.pause_reading()
            writer.write(HEAD * requests)

        async with asyncio.timeout(PATIENCE):
            while not await has_room_for(server, callers):  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(SHORT)


async def test_access_log_has_no_query(served: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "component.web.server.access_log")
    async with served() as server, ClientSession(headers=SECRET_HEADERS) as client:
        await client.get(f"{server.url}/api/archive?username=alice&password=hunter2")
        await client.get(f"{server.url}/no%0Athing")

    lines = [record.getMessage() for record in caplog.records if "access" in record.name]
    assert lines[0].startswith("GET /api/archive 200 ")
    assert lines[0].endswith(" bytes")
    assert lines[1].startswith("GET /no%0Athing 404 ")
    assert "hunter2" not in caplog.text


async def test_request_is_answered_without_waiting_for_a_timer(served: Serve) -> None:
    async with served() as server, ClientSession(headers=SECRET_HEADERS) as client:
        began = time.monotonic()
        for second in range(20):
            await client.post(f"{server.url}/api/archive", json=post(second))

    assert time.monotonic() - began < AT_MOST
