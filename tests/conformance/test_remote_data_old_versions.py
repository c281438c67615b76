"""Differences of the requests and responses of ejabberd before 2017."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import HOST, OTHER_HOST, SECRET_HEADERS, SETTINGS, open_services, post

from component.web.app import make_app
from component.web.server.settings import Services


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        await opened.accounts.admin.register(f"alice@{HOST}", "s3cret")
        yield opened


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)


PATHS = ["/api/auth", "/api/user", "/api/roster", "/api/archive", "/api/archive/items"]


@pytest.mark.parametrize("path", PATHS)
async def test_jid_is_accepted_in_place_of_username(api: TestClient, path: str) -> None:
    """2014 version of the caller sent jid=user@host instead of username."""
    user = await api.get(path, params={"jid": f"alice@{HOST}", "password": "s3cret"})
    without_user = await api.get(path, params={"jid": "", "password": "s3cret"})

    assert (user.status, without_user.status) == (200, 401)


async def test_username_takes_precedence_over_jid(api: TestClient) -> None:
    """jid instead of username."""
    response = await api.get("/api/user", params={"jid": f"nobody@{HOST}", "username": "alice"})

    assert response.status == 200


async def test_jid_of_another_host_is_401(api: TestClient) -> None:
    """One base URL per vhost."""
    response = await api.get("/api/user", params={"jid": f"alice@{OTHER_HOST}"})

    assert response.status == 401


async def test_count_is_a_string_on_request(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    """One 2016 version accepts ONLY a numeric string."""
    app = make_app(replace(SETTINGS, count_as_string=True), services)
    api = await aiohttp_client(app, headers=SECRET_HEADERS)
    await api.post("/api/archive", json=post())

    page = await (await api.get("/api/archive?username=alice")).json()
    empty = await (await api.get("/api/archive?username=nobody")).json()
    items = await (await api.get("/api/archive/items?username=alice")).json()

    assert (page["count"], empty["count"], items) == ("1", "0", 1)


async def test_count_is_a_number_by_default(api: TestClient) -> None:
    """README: number. Emit integer."""
    await api.post("/api/archive", json=post())

    assert (await (await api.get("/api/archive?username=alice")).json())["count"] == 1
