"""The Remote Data contract of accounts, as the modules of ejabberd that call it need it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.handlers import handlers
from support.http_services import HOST, OTHER_HOST, SECRET_HEADERS, SETTINGS, open_services
from yarl import URL

from component.web.app import make_app, serve
from component.web.server.settings import Services

PASSWORD = "s3cret + ü/?&="


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        await opened.accounts.admin.register(f"alice@{HOST}", PASSWORD)
        await opened.accounts.admin.register(f"rené@{HOST}", "x")
        await opened.accounts.admin.register(f"gone@{HOST}", "x")
        await opened.accounts.admin.set_enabled(f"gone@{HOST}", False)
        yield opened


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)


@pytest.mark.parametrize("path", ["/api/auth", "/api/auth/", f"/api/{HOST}/auth"])
async def test_right_password_is_200_without_a_body(api: TestClient, path: str) -> None:
    """200 /auth has an empty or JSON body; /auth/ == /auth; prefix /api works."""
    response = await api.get(path, params={"username": "alice", "password": PASSWORD})

    assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    "query",
    [
        {"username": "alice", "password": "wrong"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "gone", "password": "x"},
        {"username": "alice"},
        {"username": "alice", "password": ""},
        {"username": "", "password": PASSWORD},
        {"password": PASSWORD},
        {"username": "a b", "password": PASSWORD},
        {"username": f"alice@{OTHER_HOST}", "password": PASSWORD},
        {"username": f"alice@{HOST}/x", "password": PASSWORD},
        {},
    ],
)
async def test_failed_authentication_is_401_in_json(
    api: TestClient, query: dict[str, str]
) -> None:
    """wrong password / unknown user: 401 (body ignored but must be empty/JSON)."""
    response = await api.get("/api/auth", params=query)

    assert response.status == 401
    assert (await response.json())["error"] == "not-authorized"


@pytest.mark.parametrize(
    ("username", "status"),
    [
        ("alice", 200),
        ("ALICE", 200),
        (f"alice@{HOST}", 200),
        ("rené", 200),
        ("nobody", 401),
        ("gone", 401),
        ("", 401),
        ("a@b@c", 401),
        (f"alice@{OTHER_HOST}", 401),
    ],
)
async def test_existing_user_is_200_and_any_other_401(
    api: TestClient, username: str, status: int
) -> None:
    """GET /user: 200 = exists, 401 = no; inactive users count as not existing."""
    response = await api.get("/api/user", params={"username": username})

    assert response.status == status
    assert await response.read() == b"" if status == 200 else (await response.json())["message"]


async def test_password_encoded_by_ejabberd_is_decoded(api: TestClient) -> None:
    """Percent-encoded unicode and "+" in a password survive."""
    query = "username=alice&password=s3cret%20%2B%20%c3%bc/%3f%26%3d"
    response = await api.get(URL(f"/api/auth?{query}", encoded=True))

    assert response.status == 200


async def test_unknown_parameters_are_ignored(api: TestClient) -> None:
    """Ignore unknown query parameters, never 4xx on them."""
    response = await api.get("/api/user?token=x&username=alice&chat_type=y")

    assert response.status == 200


async def test_secret_with_a_leading_blank_is_accepted(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    """header X-Api-Key: v with leading blank accepted."""
    headers = {"X-Api-Key": f" {SETTINGS.secret}"}
    client = await aiohttp_client(make_app(SETTINGS, services), headers=headers)

    assert (await client.get("/api/user?username=alice")).status == 200


async def test_virtual_hosts_have_separate_users(api: TestClient) -> None:
    """There is NO domain parameter in any call: one base URL per vhost."""
    existing = await api.get(f"/api/{HOST}/user?username=alice")
    on_other_host = await api.get(f"/api/{OTHER_HOST}/user?username=alice")
    on_unknown_host = await api.get("/api/not.example/user?username=alice")

    assert (existing.status, on_other_host.status, on_unknown_host.status) == (200, 401, 404)


@pytest.mark.parametrize("path", ["/api/auth", "/api/user"])
async def test_head_is_answered_like_get_and_post_is_405(api: TestClient, path: str) -> None:
    """HEAD works like GET. POST: 405."""
    query = {"username": "alice", "password": PASSWORD}

    assert (await api.head(path, params=query)).status == 200
    assert (await api.post(path, params=query)).status == 405


@pytest.mark.parametrize("username", ["alice", "nobody", "a b", f"alice@{OTHER_HOST}"])
@pytest.mark.parametrize("path", ["/api/auth", "/api/none", "/api/not.example/auth"])
async def test_password_never_reaches_the_log(
    services: Services, caplog: pytest.LogCaptureFixture, path: str, username: str
) -> None:
    """clear passwords in GET query strings (end up in access logs: redact)."""
    caplog.set_level(logging.DEBUG)
    async with (
        serve(SETTINGS, services) as url,
        ClientSession(url, headers=SECRET_HEADERS) as client,
    ):
        query = {"username": username, "password": "hunter2"}
        async with client.get(path, params=query) as response:
            assert response.status in (401, 404)

    assert f"GET {path} 40" in caplog.text
    assert "hunter2" not in caplog.text


async def test_slow_login_is_answered_before_the_timeout_of_ejabberd(
    aiohttp_client: AiohttpClient,
) -> None:
    """answer within 10 s, keep-alive reused."""
    released = threading.Event()

    def user_exists(username: str) -> bool:
        return released.wait(30)

    module = handlers(user_exists)
    settings = replace(SETTINGS, request_timeout_seconds=0.2)
    async with open_services(handlers=module) as services:
        client = await aiohttp_client(make_app(settings, services), headers=SECRET_HEADERS)
        answers = await asyncio.gather(*[client.get("/api/user?username=alice") for _ in range(4)])
        released.set()

    assert [response.status for response in answers] == [503] * 4
    assert SETTINGS.request_timeout_seconds < 10
