"""Authentication by the secret in a header."""

from __future__ import annotations

import logging
from ipaddress import ip_network

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import SECRET, SECRET_HEADERS

from component.web.app import make_app
from component.web.server.settings import Services, WebSettings

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
async def test_caller_without_the_secret_is_401(
    stranger: TestClient, headers: dict[str, str]
) -> None:
    answer = await stranger.get(ARCHIVE, headers=headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await answer.json())["error"] == "not-authorized"


@pytest.mark.parametrize("headers", [SECRET_HEADERS, {"Authorization": f"Bearer {SECRET}"}])
async def test_caller_with_the_secret_is_answered(
    stranger: TestClient, headers: dict[str, str]
) -> None:
    answer = await stranger.get(ARCHIVE, headers=headers)

    assert answer.status == 200


async def test_missing_and_wrong_secrets_have_different_messages(
    stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [
        (await (await stranger.get(ARCHIVE, headers=headers)).json())["message"]
        for headers in ({}, {"X-Api-Key": "wrong"}, {"Authorization": "Basic wrong"})
    ]

    assert [text.split(":")[0].split(",")[0] for text in messages] == [
        "No secret was shown",
        "The secret that was shown is not known here",
        "Show one secret",
    ]
    assert "wrong" not in "".join(messages)
    logged = [record.getMessage() for record in caplog.records if "refused" in record.message]
    assert logged == [f"an HTTP request from loopback is refused: {text}" for text in messages]


async def test_repeated_refusal_is_logged_once(
    stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await stranger.get(ARCHIVE)

    assert caplog.text.count("No secret was shown") == 1


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Api-Key", SECRET), ("X-Api-Key", "another")],
        [("X-Api-Key", SECRET), ("Authorization", "Bearer another")],
    ],
)
async def test_two_different_secrets_are_401(
    stranger: TestClient, headers: list[tuple[str, str]]
) -> None:
    answer = await stranger.get(ARCHIVE, headers=headers)

    assert answer.status == 401


async def test_same_secret_in_two_headers_is_answered(stranger: TestClient) -> None:
    twice = {"X-Api-Key": SECRET, "Authorization": f"Bearer {SECRET}"}

    assert (await stranger.get(ARCHIVE, headers=twice)).status == 200


async def test_unknown_path_without_secret_is_401(stranger: TestClient) -> None:
    statuses = set()
    for path in (ARCHIVE, "/api/nothing", "/health/nothing", "/api/unknown.host/archive"):
        statuses.add((await stranger.get(path)).status)

    assert statuses == {401}


async def test_secret_is_neither_logged_nor_answered(
    stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    answer = await stranger.get(ARCHIVE, headers={"X-Api-Key": "almost-s3cret"})

    assert "s3cret" not in await answer.text()
    assert "s3cret" not in caplog.text
