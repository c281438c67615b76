"""Cross-origin requests of browsers to the public listener (Fetch Standard, CORS protocol)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import HOST, SECRET_HEADERS, SETTINGS
from support.sign_in import BOTH, with_sign_in

from component.web.app import make_app
from component.web.server.settings import Listener, Services

PAGE, OTHER = "https://chat.example", "https://chat.example.evil.test"
ALICE, PASSWORD = f"alice@{HOST}", "pencil"


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    await services.accounts.admin.register(ALICE, PASSWORD)
    settings = replace(BOTH, public=replace(BOTH.public, cors_origins=(PAGE,)))
    return await aiohttp_client(make_app(settings, with_sign_in(services), Listener.PUBLIC))


async def preflight(client: TestClient, path: str, origin: str, method: str) -> ClientResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return await client.options(path, headers=headers)


def cors_headers(response: ClientResponse) -> dict[str, str]:
    return {
        name: value
        for name, value in response.headers.items()
        if name.startswith("Access-Control-")
    }


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/v1/tokens", "POST"),
        ("/api/v1/tokens/current", "DELETE"),
        (f"/api/v1/archives/{ALICE}/messages", "GET"),
    ],
)
async def test_preflight_of_an_allowed_page_is_answered_without_a_token(
    public: TestClient, path: str, method: str
) -> None:
    response = await preflight(public, path, PAGE, method)

    headers = response.headers
    assert (response.status, await response.read()) == (204, b"")
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert method in headers["Access-Control-Allow-Methods"].split(", ")
    assert {"Authorization", "Content-Type"} <= set(
        headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert int(headers["Access-Control-Max-Age"]) > 0
    assert "Origin" in headers["Vary"]


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "http://chat.example", f"{PAGE}:8443", PAGE.upper(), "", "*"]
)
async def test_page_of_another_origin_gets_no_permission(public: TestClient, origin: str) -> None:
    response = await preflight(public, "/api/v1/tokens", origin, "POST")
    assert response.status != 204
    assert not cors_headers(response)
    assert "Origin" in response.headers["Vary"]

    live = await public.get("/health/live", headers={"Origin": origin})
    assert not cors_headers(live)


async def test_allowed_page_may_read_answers_and_refusals(public: TestClient) -> None:
    origin = {"Origin": PAGE}
    body = {"jid": ALICE, "password": PASSWORD}
    signed_in = await public.post("/api/v1/tokens", json=body, headers=origin)
    refused = await public.get("/api/v1/tokens", headers=origin)
    missing = await public.get("/api/nothing", headers=origin)
    token = (await signed_in.json())["access_token"]
    stream = await public.get(
        f"/api/v1/archives/{ALICE}/stream", headers=origin | {"Authorization": f"Bearer {token}"}
    )
    stream.close()

    answers = (signed_in, refused, missing, stream)
    assert [answer.status for answer in answers] == [201, 401, 401, 200]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Link" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_options_without_the_headers_of_a_preflight_is_a_request(public: TestClient) -> None:
    response = await public.options("/health/live", headers={"Origin": PAGE})

    assert response.status == 401


async def test_no_page_is_allowed_by_default(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    public = await aiohttp_client(make_app(BOTH, with_sign_in(services), Listener.PUBLIC))

    response = await preflight(public, "/api/v1/tokens", PAGE, "POST")
    live = await public.get("/health/live", headers={"Origin": PAGE})

    assert not cors_headers(response) | cors_headers(live)
    assert "Vary" not in live.headers


async def test_private_listener_allows_no_page(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    settings = replace(SETTINGS, public=replace(BOTH.public, cors_origins=(PAGE,)))
    private = await aiohttp_client(make_app(settings, services), headers=SECRET_HEADERS)

    response = await preflight(private, "/api/archive", PAGE, "GET")

    assert response.status != 204
    assert not cors_headers(response)
