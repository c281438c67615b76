"""Addresses of hosts that users name: only public ones are connected to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import ClientSession, web
from support.dns_server import DnsServer, dns_server
from support.ports import free_port

from component.clients.vetted_addresses import (
    MAX_ADDRESSES,
    AddressRefused,
    VettedAddresses,
    vetted_connector,
)

PUBLIC = ["1.1.1.1", "203.0.114.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
PUBLIC += ["2002:101:101::1"]

REFUSED = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104
    "private": ["10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "::ffff:10.0.0.1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%lo", "fec0::1"],
    "shared": ["100.64.0.1"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.2.1", "2001:db8::1", "4000::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808"],
    "6to4": ["2002:7f00:1::1", "2002:a9fe:a9fe::1", "192.88.99.1"],
    "IPv4-compatible": ["::7f00:1", "::10.0.0.1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
}


@asynccontextmanager
async def resolving(
    server: DnsServer, allowed: Sequence[str] = ()
) -> AsyncIterator[VettedAddresses]:
    networks = [ip_network(network) for network in allowed]
    addresses = VettedAddresses(networks, nameservers=["127.0.0.1"], port=server.port)
    try:
        yield addresses
    finally:
        await addresses.close()


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_address_is_its_own_answer(address: str) -> None:
    assert await VettedAddresses().resolve(address) == (address,)


@pytest.mark.parametrize("address", [a for group in REFUSED.values() for a in group])
async def test_other_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        await VettedAddresses().resolve(address)


async def test_ipv6_literal_of_a_url_is_read_without_its_brackets() -> None:
    assert await VettedAddresses().resolve("[2606:4700::1111]") == ("2606:4700::1111",)
    with pytest.raises(AddressRefused):
        await VettedAddresses().resolve("[::1]")


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
async def test_allowed_network_holds_in_each_form_of_its_addresses(address: str) -> None:
    vetted = VettedAddresses([ip_network("10.0.0.0/8")])
    assert await vetted.resolve(address) == (address,)
    with pytest.raises(AddressRefused):
        await vetted.resolve("127.0.0.1")


async def test_private_addresses_of_a_name_are_left_out() -> None:
    async with dns_server() as server, resolving(server) as addresses:
        server.set("both.example", "A", ["10.0.0.1", "1.1.1.1"])
        server.set("both.example", "AAAA", ["::1", "2606:4700::1111"])
        assert set(await addresses.resolve("both.example")) == {"1.1.1.1", "2606:4700::1111"}


async def test_every_refusal_has_the_same_text() -> None:
    texts = set()
    async with dns_server() as server, resolving(server) as addresses:
        server.set("private.example", "A", ["10.0.0.1"])
        hosts = ["private.example", "unknown.example", "localhost", "127.0.0.1", "127.1"]
        for host in [*hosts, "0x7f000001", "2130706433", "a b", "", "\0", "x" * 300, "a..b"]:
            with pytest.raises(AddressRefused) as refused:
                await addresses.resolve(host)
            texts.add(str(refused.value))
    assert texts == {"this host cannot be reached"}


async def test_silent_name_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("component.clients.vetted_addresses.QUERY_SECONDS", 0.1)
    async with dns_server() as server, resolving(server) as addresses:
        server.silence("silent.example")
        with pytest.raises(AddressRefused):
            async with asyncio.timeout(10):
                await addresses.resolve("silent.example")


async def test_name_with_many_addresses_gives_a_bounded_number() -> None:
    async with dns_server() as server, resolving(server) as addresses:
        server.set("many.example", "A", [f"1.1.1.{n}" for n in range(20)])
        assert len(await addresses.resolve("many.example")) == MAX_ADDRESSES


@asynccontextmanager
async def web_server() -> AsyncIterator[int]:
    """Run an HTTP server on 127.0.0.1 and 127.0.0.9 that redirects /to?URL; yield its port."""

    async def hello(request: web.Request) -> web.Response:
        if request.path == "/to":
            raise web.HTTPFound(request.query_string)
        return web.Response(text="hello")

    runner = web.AppRunner(app := web.Application())
    app.router.add_get("/{path:.*}", hello)
    await runner.setup()
    port = free_port()
    for address in ("127.0.0.1", "127.0.0.9"):
        await web.TCPSite(runner, address, port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "rebound.example", "localhost"]
)
async def test_client_of_aiohttp_does_not_connect_to_private_addresses(host: str) -> None:
    async with dns_server() as server, resolving(server) as addresses, web_server() as port:
        server.set("rebound.example", "A", ["127.0.0.1"])
        async with ClientSession(connector=vetted_connector(addresses)) as client:
            with pytest.raises(aiohttp.ClientConnectorError) as refused:
                await client.get(f"http://{host}:{port}/")
    assert isinstance(refused.value.os_error, AddressRefused)


async def test_client_of_aiohttp_connects_to_the_address_that_was_vetted() -> None:
    async with (
        dns_server() as server,
        resolving(server, ["127.0.0.1/32"]) as addresses,
        web_server() as port,
    ):
        server.set("hook.example", "A", ["127.0.0.1"], ["127.0.0.9"])
        async with ClientSession(connector=vetted_connector(addresses)) as client:
            response = await client.get(f"http://hook.example:{port}/")
            assert await response.text() == "hello"
        assert server.questions["hook.example", "A"] == 1


async def test_client_of_aiohttp_follows_no_redirection_to_a_private_address() -> None:
    async with (
        dns_server() as server,
        resolving(server, ["127.0.0.1/32"]) as addresses,
        web_server() as port,
    ):
        server.set("hook.example", "A", ["127.0.0.1"])
        async with ClientSession(connector=vetted_connector(addresses)) as client:
            with pytest.raises(aiohttp.ClientConnectorError) as refused:
                await client.get(f"http://hook.example:{port}/to?http://127.0.0.9:{port}/")
    assert isinstance(refused.value.os_error, AddressRefused)
