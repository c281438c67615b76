"""Callers behind reverse proxies: X-Forwarded-For is believed from trusted proxies alone."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import TestClient, make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from pytest_aiohttp import AiohttpClient
from support.http_services import HOST
from support.sign_in import BOTH, with_sign_in

from component.core.accounts.throttle import BURST
from component.web import keys
from component.web.app import make_app, serve
from component.web.server import errors
from component.web.server.addresses import UNIX_SOCKET
from component.web.server.forwarding import RESERVED_PER_PARTY, forwarded_address, identify
from component.web.server.settings import Listener, Services, WebSettings

TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))
PROXY = ip_address("127.0.0.1")
USER, OTHER = "192.0.2.1", "192.0.2.2"


def proxied(**changes: int) -> WebSettings:
    """Return settings whose public listener trusts proxies."""
    return replace(BOTH, public=replace(BOTH.public, trusted_proxies=TRUSTED, **changes))


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    """The public listener behind a trusted proxy, which is the test."""
    return await aiohttp_client(make_app(proxied(), with_sign_in(services), Listener.PUBLIC))


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ([], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([USER], USER),
        ([f" {USER} "], USER),
        ([f"{USER}:4711"], USER),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        ([f"::ffff:{USER}"], USER),
        ([f"{OTHER}, {USER}"], USER),
        ([OTHER, USER], USER),
        ([f"{OTHER}, {USER}, 10.1.1.1"], USER),
        ([f"{OTHER}, {USER}, 2001:db8:1::7, 10.1.1.1"], USER),
        (["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ([f"{USER}, unknown"], "127.0.0.1"),
        ([f"{USER}, unknown, 10.1.1.1"], "10.1.1.1"),
        ([f"{USER}, 999.1.1.1"], "127.0.0.1"),
        ([f"{USER},"], "127.0.0.1"),
        (["\udcff"], "127.0.0.1"),
    ],
)
def test_address_is_the_last_one_that_is_no_trusted_proxy(values: list[str], address: str) -> None:
    assert str(forwarded_address(PROXY, values, TRUSTED)) == address


def test_header_of_others_is_ignored() -> None:
    stranger = ip_address(OTHER)

    assert forwarded_address(stranger, [USER], TRUSTED) == stranger
    assert forwarded_address(PROXY, [USER], ()) == PROXY
    assert forwarded_address(None, [USER], ()) is None


@given(st.text(max_size=100), st.lists(st.sampled_from(["10.1.1.1", "127.0.0.9"]), max_size=3))
def test_nothing_that_the_caller_sends_changes_its_address(sent: str, proxies: list[str]) -> None:
    values = [sent, ", ".join([USER, *proxies])]

    assert str(forwarded_address(PROXY, values, TRUSTED)) == USER


async def guess(public: TestClient, forwarded: str) -> int:
    headers = {"Authorization": "Bearer x.y.z", "X-Forwarded-For": forwarded}
    return (await public.get("/api/v1/tokens", headers=headers)).status


async def test_guesses_are_limited_by_forwarded_address(public: TestClient) -> None:
    for number in range(BURST):
        assert await guess(public, f"198.51.100.{number}, {USER}") == 401

    assert await guess(public, f"198.51.100.99, {USER}") == 429
    assert await guess(public, OTHER) == 401


async def test_wrong_passwords_are_limited_by_forwarded_address(public: TestClient) -> None:
    statuses = []
    for number in range(30):
        response = await public.post(
            "/api/v1/tokens",
            json={"jid": f"user{number}@{HOST}", "password": "wrong"},
            headers={"X-Forwarded-For": USER},
        )
        statuses.append(response.status)

    assert (statuses[0], statuses[-1]) == (401, 429)
    assert await guess(public, OTHER) == 401


async def test_caller_that_has_gone_is_not_believed() -> None:
    """A request without a transport must not count for an address that its caller invents."""
    identified = identify(proxied().public)
    headers = {"X-Forwarded-For": USER}
    request = make_mocked_request("GET", "/", headers=headers)
    request.protocol.transport = None

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request[keys.party])

    response = await identified(request, handler)

    assert isinstance(response, web.Response)
    assert response.text == UNIX_SOCKET


async def test_forwarded_address_counts_for_nothing_without_trust(
    aiohttp_client: AiohttpClient, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "component.web.server.forwarding")
    public = await aiohttp_client(make_app(BOTH, with_sign_in(services), Listener.PUBLIC))
    for number in range(BURST):
        assert await guess(public, f"192.0.2.{number}") == 401

    assert await guess(public, USER) == 429
    assert caplog.text.count("public_http.trusted_proxies") == 1
    assert USER not in caplog.text


async def test_requests_under_way_of_one_forwarded_address_are_limited(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    jid = f"alice@{HOST}"
    await services.accounts.admin.register(jid, "pencil")
    settings = proxied(max_connections_per_address=2)
    app = make_app(settings, with_sign_in(services), Listener.PUBLIC)
    public = await aiohttp_client(app)
    response = await public.post("/api/v1/tokens", json={"jid": jid, "password": "pencil"})
    token = (await response.json())["access_token"]

    async def stream(address: str) -> int:
        response = await public.get(
            f"/api/v1/archives/{jid}/stream",
            headers={"Authorization": f"Bearer {token}", "X-Forwarded-For": address},
        )
        opened.callback(response.close)
        return response.status

    async with AsyncExitStack() as opened:
        assert [await stream(USER) for _ in range(3)] == [200, 200, 503]
        assert [await stream(OTHER) for _ in range(3)] == [200, 200, 503]
        assert await guess(public, USER) == 503
        # Health is answered, so that whoever watches Muniment does not take it for dead.
        health = await public.get("/health/live", headers={"X-Forwarded-For": USER})
        assert health.status == 200


async def test_only_two_requests_beyond_the_limit_are_answered(
    aiohttp_client: AiohttpClient,
) -> None:
    released, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(_: web.Request) -> web.Response:
        begun.release()
        await released.wait()
        return web.Response()

    watched = web.Application()
    watched[keys.is_watched] = True
    watched.router.add_get("/live", wait)
    limits = proxied(max_connections_per_address=1).public
    app = web.Application(middlewares=[errors.middleware(), identify(limits)])
    app.add_subapp("/health", watched)
    client = await aiohttp_client(app)
    headers = {"X-Forwarded-For": USER}

    async with asyncio.TaskGroup() as tasks:
        answered = [
            tasks.create_task(client.get("/health/live", headers=headers))
            for _ in range(1 + RESERVED_PER_PARTY)
        ]
        for _ in answered:
            await begun.acquire()
        assert (await client.get("/health/live", headers=headers)).status == 503
        released.set()

    assert {task.result().status for task in answered} == {200}


async def test_private_listener_believes_no_forwarded_address(
    aiohttp_client: AiohttpClient,
) -> None:
    """So no invented address uses up the requests of whoever reads the metrics."""

    async def party(request: web.Request) -> web.Response:
        return web.Response(text=request[keys.party])

    app = web.Application(middlewares=[identify(proxied())])
    app.router.add_get("/metrics", party)
    client = await aiohttp_client(app)

    answer = await client.get("/metrics", headers={"X-Forwarded-For": USER})

    assert await answer.text() == "loopback"


async def test_proxy_on_a_unix_socket_is_believed_if_proxies_are_trusted(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "public.sock"
    settings = proxied()
    settings = replace(settings, public=replace(settings.public, address=f"unix:{path}"))
    headers = {"Authorization": "Bearer x.y.z"}
    async with (
        serve(settings, with_sign_in(services), Listener.PUBLIC),
        ClientSession("http://localhost", connector=UnixConnector(str(path))) as http,
    ):
        statuses = []
        for address in [USER] * (BURST + 1) + [OTHER]:
            forwarded = headers | {"X-Forwarded-For": address}
            statuses.append((await http.get("/api/v1/tokens", headers=forwarded)).status)

    assert statuses == [401] * BURST + [429, 401]
