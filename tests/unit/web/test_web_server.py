"""The server listens at its configured address and stops without losing a request."""

from __future__ import annotations

import asyncio
import stat
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientResponse, ClientSession, UnixConnector
from support.databases import blocked
from support.http_services import SECRET_HEADERS, SETTINGS, post

from component.core.xml.times import format_time, now
from component.web.app import serve
from component.web.server.settings import Services

ARCHIVE = "/api/archive?username=alice"


async def test_port_0_selects_a_free_port(services: Services) -> None:
    async with serve(SETTINGS, services) as url, ClientSession(headers=SECRET_HEADERS) as client:
        assert url.startswith("http://127.0.0.1:")
        assert (await client.get(url + ARCHIVE)).status == 200


async def test_unix_socket_is_for_owner_and_group_and_removed_at_the_end(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "muniment.sock"
    settings = replace(SETTINGS, address=f"unix:{path}", allow_from=())

    async with serve(settings, services) as address:
        assert address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        async with ClientSession(
            connector=UnixConnector(str(path)), headers=SECRET_HEADERS
        ) as client:
            assert (await client.get("http://muniment" + ARCHIVE)).status == 200
            client.headers.pop("X-Api-Key")
            assert (await client.get("http://muniment" + ARCHIVE)).status == 401

    assert not path.exists()


async def test_address_in_use_is_reported(services: Services) -> None:
    async with serve(SETTINGS, services) as url:
        occupied = replace(SETTINGS, port=int(url.rpartition(":")[2]))

        with pytest.raises(OSError, match="is in use: end the program"):
            async with serve(occupied, services):
                pass


async def test_unknown_host_name_is_reported(services: Services) -> None:
    elsewhere = replace(SETTINGS, address="no.such.host.invalid")

    with pytest.raises(OSError, match=r"cannot listen on no\.such\.host\.invalid:\d+ \(.+\)"):
        async with serve(elsewhere, services):
            pass


async def test_routes_have_the_configured_prefix(services: Services) -> None:
    for prefix in ("", "/remote/data"):
        settings = replace(SETTINGS, prefix=prefix)
        async with (
            serve(settings, services) as url,
            ClientSession(headers=SECRET_HEADERS) as client,
        ):
            assert (await client.get(f"{url}{prefix}/archive?username=alice")).status == 200


async def begin_to_post(
    client: ClientSession, url: str, services: Services
) -> asyncio.Task[ClientResponse]:
    # The time of this message is recent, so that ingest need not read the store before the put.
    posted = post(timestamp=format_time(now()))
    posting = asyncio.create_task(client.post(f"{url}/api/archive", json=posted))
    while not services.writer.backlog:  # noqa: ASYNC110 - a counter, not an event
        await asyncio.sleep(0.01)
    return posting


async def test_request_under_way_is_answered_before_the_server_stops(services: Services) -> None:
    slow = AsyncExitStack()

    async def speed_up() -> None:
        await asyncio.sleep(0.3)
        await slow.aclose()

    async with ClientSession(headers=SECRET_HEADERS) as client:
        async with serve(SETTINGS, services) as url:
            await slow.enter_async_context(blocked(services.storage))
            posting = await begin_to_post(client, url, services)
            speeding_up = asyncio.create_task(speed_up())
        answer = await posting
        await speeding_up

        assert answer.status == 200
        with pytest.raises(ClientConnectionError):
            await client.get(f"{url}/health/live")


async def test_idle_connection_does_not_delay_the_stop(services: Services) -> None:
    patient = replace(SETTINGS, stop_timeout_seconds=60.0)
    async with (
        asyncio.timeout(10.0),
        ClientSession(headers=SECRET_HEADERS) as client,
        serve(patient, services) as url,
    ):
        await (await client.get(url + ARCHIVE)).read()


async def test_hanging_request_is_cut_off_at_the_stop(services: Services) -> None:
    impatient = replace(SETTINGS, stop_timeout_seconds=0.2)
    async with (
        asyncio.timeout(10.0),
        blocked(services.storage),
        ClientSession(headers=SECRET_HEADERS) as client,
    ):
        async with serve(impatient, services) as url:
            posting = await begin_to_post(client, url, services)

        with pytest.raises(ClientConnectionError):
            await posting
