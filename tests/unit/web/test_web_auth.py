"""Only callers from a known network that show the secret are answered."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import ip_network

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.sidecar import SECRET, SETTINGS, SHOWN

from component.web.app import make_app
from component.web.settings import Services, WebSettings

ARCHIVE = "/api/archive?username=alice"
ELSEWHERE = (ip_network("192.0.2.0/24"),)


async def status_of(
    aiohttp_client: AiohttpClient,
    settings: WebSettings,
    services: Services,
    headers: dict[str, str] | None = None,
) -> int:
    client = await aiohttp_client(make_app(settings, services), headers=headers)
    async with client.get(ARCHIVE) as answer:
        return answer.status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Api-Key": ""},
        {"X-Api-Key": SECRET.upper()},
        {"X-Api-Key": SECRET + "x"},
        {"X-Api-Key": f"Bearer {SECRET}"},
        {"X-Api-Key": "s3crét"},
        {"Authorization": SECRET},
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": "Bearer"},
    ],
)
async def test_a_caller_without_the_secret_is_asked_for_it(
    stranger: TestClient, headers: dict[str, str]
) -> None:
    answer = await stranger.get(ARCHIVE, headers=headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await answer.json())["error"] == "not-authorized"


@pytest.mark.parametrize("headers", [SHOWN, {"Authorization": f"Bearer {SECRET}"}])
async def test_a_caller_with_the_secret_is_answered(
    stranger: TestClient, headers: dict[str, str]
) -> None:
    answer = await stranger.get(ARCHIVE, headers=headers)

    assert answer.status == 200


async def test_a_caller_from_elsewhere_is_refused_even_with_the_secret(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    settings = replace(SETTINGS, allow_from=ELSEWHERE)

    assert await status_of(aiohttp_client, settings, services, SHOWN) == 403


async def test_the_network_is_enough_where_there_is_no_secret(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    near = replace(SETTINGS, secret=None, trusts_network=True)

    assert await status_of(aiohttp_client, near, services) == 200
    far = replace(near, allow_from=ELSEWHERE)
    assert await status_of(aiohttp_client, far, services) == 403


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
async def test_a_page_in_a_near_browser_is_not_the_server(
    aiohttp_client: AiohttpClient, services: Services, headers: dict[str, str]
) -> None:
    near = replace(SETTINGS, trusts_network=True)

    assert await status_of(aiohttp_client, near, services, headers) == 401
    assert await status_of(aiohttp_client, near, services, headers | SHOWN) == 200
    typed = {"Sec-Fetch-Site": "none"}
    assert await status_of(aiohttp_client, near, services, typed) == 200


@pytest.mark.parametrize(
    "headers", [{"X-Api-Key": "wrong"}, {"X-Api-Key": ""}, {"Authorization": "Bearer wrong"}]
)
async def test_a_wrong_secret_is_refused_where_none_is_needed(
    aiohttp_client: AiohttpClient, services: Services, headers: dict[str, str]
) -> None:
    """Whoever means to be an operator must not be taken for the server."""
    near = replace(SETTINGS, trusts_network=True)

    assert await status_of(aiohttp_client, near, services, headers) == 401
    assert await status_of(aiohttp_client, near, services, SHOWN) == 200
    assert await status_of(aiohttp_client, replace(near, secret=None), services, headers) == 401


async def test_nobody_is_near_an_empty_list_of_networks(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    settings = replace(SETTINGS, secret=None, trusts_network=True, allow_from=())

    assert await status_of(aiohttp_client, settings, services) == 403


async def test_strangers_do_not_learn_which_paths_exist(stranger: TestClient) -> None:
    statuses = set()
    for path in (ARCHIVE, "/api/nothing", "/health/nothing", "/api/unknown.host/archive"):
        statuses.add((await stranger.get(path)).status)

    assert statuses == {401}


async def test_the_secret_is_neither_logged_nor_answered(
    stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    answer = await stranger.get(ARCHIVE, headers={"X-Api-Key": "almost-s3cret"})

    assert "s3cret" not in await answer.text()
    assert "s3cret" not in caplog.text
