"""Other servers: where they are by DNS, which of them are open, and which addresses are left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import pytest
from support.dns_server import DnsServer, dns_server
from support.fake_xmpp_server import STREAM, fake_server

from component.clients import other_servers
from component.clients.other_servers import CHECKS_MAX, ENDPOINTS_MAX, OtherServers
from component.clients.vetted_addresses import AddressRefused, VettedAddresses
from component.core.errors import NotAllowed, Overloaded
from component.core.sessions.servers import ALL, Endpoint, OpenedServers

STARTTLS, DIRECT = "_xmpp-client._tcp.far.test", "_xmpps-client._tcp.far.test"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
OWN = ["one.test", "archive.one.test"]


@asynccontextmanager
async def opened(
    domains: Iterable[str] = ("far.test",), allowed: Iterable[str] = ("127.0.0.1/32",)
) -> AsyncIterator[tuple[DnsServer, OtherServers]]:
    async with dns_server() as dns:
        addresses = VettedAddresses(
            [ip_network(network) for network in allowed],
            nameservers=["127.0.0.1"],
            port=dns.port,
        )
        servers = OtherServers(OpenedServers(domains, OWN), addresses)
        yield dns, servers
        await servers.close()


async def endpoints(servers: OtherServers, domain: str = "far.test") -> list[Endpoint]:
    return list(await servers.server(domain).endpoints())


async def test_records_of_both_services_are_tried_by_priority() -> None:
    async with opened() as (dns, servers):
        dns.set(STARTTLS, "SRV", ["20 0 5222 c.far.test", "5 0 5222 a.far.test"])
        dns.set(DIRECT, "SRV", ["10 0 5223 b.far.test"])
        for number, name in enumerate("abc", 1):
            dns.set(f"{name}.far.test", "A", [f"1.1.1.{number}"])
        assert await endpoints(servers) == [
            Endpoint("1.1.1.1", 5222),
            Endpoint("1.1.1.2", 5223, is_direct_tls=True),
            Endpoint("1.1.1.3", 5222),
        ]


async def test_heavier_record_comes_first_more_often() -> None:
    records = [other_servers.Record(0, weight, weight, "x", False) for weight in (90, 10)]
    first = [other_servers._in_order(records)[0].weight for _ in range(1000)]
    assert 800 < first.count(90) < 980


async def test_without_records_the_address_of_the_domain_is_tried() -> None:
    async with opened() as (dns, servers):
        dns.set("far.test", "A", ["1.1.1.1"])
        assert await endpoints(servers) == [Endpoint("1.1.1.1", 5222)]


async def test_service_that_is_not_offered_is_not_looked_for_elsewhere() -> None:
    async with opened() as (dns, servers):
        dns.set(STARTTLS, "SRV", ["0 0 0 ."])
        dns.set("far.test", "A", ["1.1.1.1"])
        with pytest.raises(AddressRefused):
            await endpoints(servers)
        assert dns.questions["far.test", "A"] == 0


async def test_private_addresses_and_unknown_names_are_left_out() -> None:
    async with opened() as (dns, servers):
        records = ["1 0 5222 private.test", "2 0 5222 unknown.test", "3 0 5222 public.test"]
        dns.set(STARTTLS, "SRV", records)
        dns.set("private.test", "A", ["10.0.0.1", "169.254.169.254"])
        dns.set("public.test", "A", ["127.0.0.2", "1.1.1.1", "127.0.0.1"])
        assert {endpoint.address for endpoint in await endpoints(servers)} == {
            "1.1.1.1",
            "127.0.0.1",
        }


async def test_address_in_a_record_is_vetted_too() -> None:
    async with opened(allowed=()) as (dns, servers):
        dns.set(STARTTLS, "SRV", ["1 0 22 127.0.0.1"])
        with pytest.raises(AddressRefused):
            await endpoints(servers)


async def test_addresses_are_bounded() -> None:
    async with opened() as (dns, servers):
        dns.set(STARTTLS, "SRV", [f"{n} 0 5222 x{n}.test" for n in range(20)])
        for number in range(20):
            dns.set(f"x{number}.test", "A", [f"1.1.{number}.{host}" for host in range(3)])
        assert len(await endpoints(servers)) == ENDPOINTS_MAX
        assert sum(type == "A" for _, type in dns.questions) == 2


async def test_international_name_is_looked_up_in_ascii() -> None:
    async with opened(["bücher.test"]) as (dns, servers):
        dns.set("xn--bcher-kva.test", "A", ["1.1.1.1"])
        assert await endpoints(servers, "bücher.test") == [Endpoint("1.1.1.1", 5222)]


@pytest.mark.parametrize("domain", ["x" * 64 + ".test", "a..test", "\ud800.test"])
async def test_name_that_dns_cannot_have_is_refused(domain: str) -> None:
    async with opened() as (_, servers):
        with pytest.raises(AddressRefused):
            await endpoints(servers, domain)


@pytest.mark.parametrize(
    ("domains", "admitted", "refused"),
    [
        ([], [], ["a@far.test"]),
        (
            ["far.test"],
            ["a@far.test", "a@far.test/b"],
            ["a@x.far.test", "a@near.test", "far.test"],
        ),
        (["x.one.test"], ["a@x.one.test"], ["a@y.one.test"]),
        (
            [ALL],
            ["a@far.test", "a@x.far.test"],
            [
                *("a@one.test", "a@rooms.one.test", "a@archive.one.test", "far.test"),
                *("a@127.0.0.1", "a@[::1]", "a@localhost", "a@localhost.", "a@2130706433"),
            ],
        ),
        (["one.test"], [], ["a@one.test"]),
    ],
)
def test_only_opened_servers_are_admitted(
    domains: list[str], admitted: list[str], refused: list[str]
) -> None:
    servers = OpenedServers(domains, OWN)
    assert [jid for jid in [*admitted, *refused] if servers.admits(jid)] == admitted


async def test_closed_server_is_refused_without_a_look_up() -> None:
    async with opened() as (dns, servers):
        assert await servers.authenticate("eve@closed.test", "secret") is False
        assert not dns.questions


async def test_server_without_tls_gets_no_password() -> None:
    async with opened() as (dns, servers), fake_server("PLAIN", "SCRAM-SHA-1") as plain:
        dns.set(STARTTLS, "SRV", [f"1 0 {plain.port} here.test"])
        dns.set("here.test", "A", ["127.0.0.1"])
        assert await servers.authenticate("eve@far.test", "secret") is False
        assert b"<stream:stream" in plain.received
        assert b"<auth" not in plain.received


@asynccontextmanager
async def listening(answer: str = "") -> AsyncIterator[tuple[int, list[object]]]:
    """Run a server that answers and hangs up; yield its port and its callers."""
    callers: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername"))
        await reader.readuntil(b">")
        writer.write(answer.encode())
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1], callers


async def test_server_sends_us_to_no_other_host() -> None:
    async with opened() as (dns, servers), listening() as (inner, callers):
        other = f"<see-other-host xmlns='{STREAM_ERRORS}'>127.0.0.1:{inner}</see-other-host>"
        answer = f"{STREAM}<stream:error>{other}</stream:error></stream:stream>"
        async with listening(answer) as (port, redirected):
            dns.set(STARTTLS, "SRV", [f"1 0 {port} here.test"])
            dns.set("here.test", "A", ["127.0.0.1"])
            async with asyncio.timeout(30):
                assert await servers.authenticate("eve@far.test", "secret") is False
            await asyncio.sleep(0.2)
    assert len(redirected) == 1
    assert callers == []


async def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_servers, "CHECK_SECONDS", 0.3)
    async with opened() as (dns, servers):
        for name in (STARTTLS, DIRECT):
            dns.silence(name)
        async with asyncio.timeout(30):
            assert await servers.authenticate("eve@far.test", "secret") is False


@pytest.mark.parametrize("local", ["eve\x00", "e" * 1100, "E", "a b", "\ud800"])
async def test_name_that_nobody_can_have_is_refused_like_a_wrong_password(local: str) -> None:
    async with opened() as (_, servers):
        assert await servers.authenticate(f"{local}@far.test", "secret") is False


async def test_logins_are_bounded_alike_for_closed_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(other_servers, "CHECK_SECONDS", 0.5)
    async with opened() as (dns, servers):
        dns.silence(STARTTLS)
        logins = [
            asyncio.create_task(servers.authenticate(f"eve{n}@far.test", "secret"))
            for n in range(CHECKS_MAX)
        ]
        await asyncio.sleep(0.1)
        for jid in ("eve@far.test", "eve@closed.test"):
            with pytest.raises(Overloaded):
                await servers.authenticate(jid, "secret")
        assert set(await asyncio.gather(*logins)) == {False}
        assert await servers.authenticate("eve@closed.test", "secret") is False


async def test_other_server_tells_nothing_about_accounts() -> None:
    async with opened() as (_, servers):
        with pytest.raises(NotAllowed):
            await servers.exists("eve@far.test")
