"""Limits of connections by network, by address and in total."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from aiohttp import ClientSession, UnixConnector
from support.http_services import SETTINGS

from component.core.errors import Forbidden, Overloaded
from component.web.app import serve
from component.web.server.addresses import UNIX_SOCKET
from component.web.server.connection_limit import ConnectionLimit
from component.web.server.settings import Services

HERE = (ip_network("127.0.0.1/32"),)
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
ELSEWHERE = "127.0.0.2"
SECONDS = 30.0

READ = b"GET /api/archive?username=alice HTTP/1.1\r\nHost: x\r\nX-Api-Key: s3cret\r\n\r\n"


class AddressedTransport(asyncio.BaseTransport):
    """A connection from a chosen address."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 40_000) if address else ""})


async def connect(
    url: str, source: str, opened: AsyncExitStack, request: bytes = READ
) -> asyncio.StreamReader:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        place.hostname, place.port, local_addr=(source, 0)
    )
    opened.callback(writer.close)
    writer.write(request)
    return reader


async def status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(SECONDS):
        return int((await reader.readline()).split()[1])


async def last_answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """Return the status and the JSON of the last answer on a connection."""
    async with asyncio.timeout(SECONDS):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)


async def test_connection_from_a_refused_address_is_closed_and_not_counted(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "component.web.server.connection_limit")
    settings = replace(SETTINGS, allow_from=HERE, max_connections=3)
    async with serve(settings, services) as url, AsyncExitStack() as opened:
        refused = [await connect(url, ELSEWHERE, opened) for _ in range(12)]
        allowed = [await connect(url, "127.0.0.1", opened) for _ in range(3)]

        assert [await status(reader) for reader in allowed] == [200, 200, 200]
        for reader in refused:
            code, error = await last_answer(reader)
            assert (code, error["error"]) == (403, "forbidden")
    assert caplog.text.count("are refused") == 1


async def test_connections_of_one_address_are_limited(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "component.web.server.connection_limit")
    settings = replace(SETTINGS, max_connections=10, max_connections_per_address=2)
    async with serve(settings, services) as url, AsyncExitStack() as opened:
        readers = [await connect(url, "127.0.0.1", opened) for _ in range(2)]
        assert [await status(reader) for reader in readers] == [200, 200]

        code, error = await last_answer(await connect(url, ELSEWHERE, opened))

    assert (code, error["error"]) == (503, "resource-constraint")
    assert "from this address" in error["message"]
    assert caplog.text.count("max_connections_per_address") == 1


@pytest.mark.parametrize(
    "limits",
    [{"max_connections": 2}, {"max_connections": 10, "max_connections_per_address": 2}],
    ids=["total", "of one address"],
)
async def test_health_and_metrics_are_answered_beyond_the_limits(
    services: Services, limits: dict[str, int]
) -> None:
    async with serve(replace(SETTINGS, **limits), services) as url, AsyncExitStack() as opened:
        readers = [await connect(url, "127.0.0.1", opened) for _ in range(2)]
        assert [await status(reader) for reader in readers] == [200, 200]

        for path in (b"/health/live", b"/health/ready", b"/metrics") * 2:
            request = READ.replace(b"/api/archive?username=alice", path)
            reader = await connect(url, "127.0.0.1", opened, request)
            async with asyncio.timeout(SECONDS):
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"Connection: close" in head
            assert body

        code, error = await last_answer(await connect(url, "127.0.0.1", opened))
        assert (code, error["error"]) == (503, "resource-constraint")


def test_connections_beyond_the_limits_are_limited_by_address_and_in_total() -> None:
    limit = ConnectionLimit(replace(SETTINGS, allow_from=ANYWHERE, max_connections=1))

    def reserved(number: int) -> str | None:
        return limit.enter_reserve(AddressedTransport(f"192.0.2.{number}"))

    assert reserved(1) == reserved(1) == "192.0.2.1"
    assert reserved(1) is None
    assert None not in [reserved(number) for number in (2, 2, 3, 3, 4, 4)]
    assert reserved(5) is None
    limit.leave_reserve("192.0.2.1")
    assert reserved(1) == "192.0.2.1"


async def test_unix_socket_is_limited_by_the_total_only(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "muniment.sock"
    settings = replace(
        SETTINGS,
        address=f"unix:{path}",
        allow_from=(),
        max_connections=3,
        max_connections_per_address=1,
    )
    async with serve(settings, services), AsyncExitStack() as opened:
        for _ in range(3):
            http = await opened.enter_async_context(
                ClientSession("http://localhost", connector=UnixConnector(str(path)))
            )
            async with http.get("/health/live") as answer:
                assert answer.status == 200


async def test_connections_of_a_trusted_proxy_are_limited_by_the_total_only(
    services: Services,
) -> None:
    settings = replace(
        SETTINGS, trusted_proxies=HERE, max_connections=3, max_connections_per_address=1
    )
    async with serve(settings, services) as url, AsyncExitStack() as opened:
        readers = [await connect(url, "127.0.0.1", opened) for _ in range(4)]

        assert [await status(reader) for reader in readers] == [200, 200, 200, 503]


def test_connections_of_others_are_limited_beside_a_trusted_proxy() -> None:
    limit = ConnectionLimit(
        replace(SETTINGS, allow_from=ANYWHERE, trusted_proxies=HERE, max_connections_per_address=1)
    )
    limit.enter(AddressedTransport("192.0.2.1"))

    with pytest.raises(Overloaded):
        limit.enter(AddressedTransport("192.0.2.1"))


def test_address_at_its_limit_leaves_room_for_others() -> None:
    limit = ConnectionLimit(replace(SETTINGS, allow_from=ANYWHERE, max_connections_per_address=2))
    parties = [limit.enter(AddressedTransport("192.0.2.1")) for _ in range(2)]
    with pytest.raises(Overloaded):
        limit.enter(AddressedTransport("192.0.2.1"))
    limit.enter(AddressedTransport("192.0.2.2"))

    limit.leave(parties[0])
    assert limit.enter(AddressedTransport("192.0.2.1")) == parties[0]


@pytest.mark.parametrize(
    ("first", "second", "is_shared"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("127.0.0.1", "127.0.0.99", True),
        ("127.0.0.1", "::1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_addresses_of_one_caller_share_a_limit(first: str, second: str, is_shared: bool) -> None:
    limit = ConnectionLimit(replace(SETTINGS, allow_from=ANYWHERE))

    assert (
        limit.enter(AddressedTransport(first)) == limit.enter(AddressedTransport(second))
    ) is is_shared


def test_total_of_connections_is_limited() -> None:
    limit = ConnectionLimit(replace(SETTINGS, allow_from=ANYWHERE, max_connections=3))
    for n in range(3):
        limit.enter(AddressedTransport(f"192.0.2.{n}"))
    with pytest.raises(Overloaded):
        limit.enter(AddressedTransport("192.0.2.9"))


def test_empty_list_of_networks_refuses_all_but_the_unix_socket() -> None:
    limit = ConnectionLimit(replace(SETTINGS, allow_from=()))

    for address in ("127.0.0.1", "::1", "192.0.2.1"):
        with pytest.raises(Forbidden):
            limit.enter(AddressedTransport(address))
    assert limit.enter(AddressedTransport("")) == UNIX_SOCKET
