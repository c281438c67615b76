"""The public listener serves routes for end users only, with limits of its own."""

from __future__ import annotations

import asyncio
import logging
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.families import FAMILIES
from support.http_services import SECRET_HEADERS, SETTINGS

from component.web.app import make_app, serve
from component.web.server import body
from component.web.server.family import Family
from component.web.server.settings import PUBLIC, Listener, Services, WebSettings

FREE_PORT = replace(PUBLIC, port=0)
BOTH = replace(SETTINGS, public=FREE_PORT)


@pytest.fixture
async def public(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    """A client of the public listener that sends the secret of the private one."""
    return await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC), headers=SECRET_HEADERS)


#: What both listeners serve, each for itself.
ON_BOTH = ("/health/live", "/openapi.json", "/docs", "/docs/assets/{version}/{path}")


def private_paths(services: Services) -> list[tuple[str, str]]:
    routes = make_app(SETTINGS, services).router.routes()
    return [
        (route.method, route.resource.canonical)
        for route in routes
        if route.resource is not None and route.resource.canonical not in ON_BOTH
    ]


async def test_liveness_is_answered_without_a_secret(services: Services) -> None:
    async with serve(BOTH, services, Listener.PUBLIC) as url, ClientSession() as client:
        answer = await client.get(f"{url}/health/live")

        assert await answer.json() == {"status": "live"}


async def test_no_route_of_the_private_listener_is_served(
    public: TestClient, services: Services
) -> None:
    routes = private_paths(services)

    assert len(routes) > 50
    for method, path in routes:
        answer = await public.request(method, path.replace("{host}", "example.org"))
        assert answer.status == 404, f"{method} {path}"
        assert answer.content_type == "application/json"
        if method != "HEAD":
            assert (await answer.json())["error"] == "item-not-found"


async def test_wrong_method_is_refused_in_the_shape_of_every_error(public: TestClient) -> None:
    answer = await public.post("/health/live")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
    assert (await answer.json())["error"] == "not-allowed"


async def test_both_listeners_are_served_at_once(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "component.web.server.listener")
    async with (
        serve(BOTH, services) as private,
        serve(BOTH, services, Listener.PUBLIC) as public,
        ClientSession(headers=SECRET_HEADERS) as client,
    ):
        assert (await client.get(f"{private}/health/ready")).status == 200
        assert (await client.get(f"{public}/health/ready")).status == 404

    logged = [record.getMessage() for record in caplog.records]
    assert logged == [f"serving HTTP on {private}", f"serving public HTTP on {public}"]


async def test_connections_have_a_limit_of_their_own(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "component.web.server.connection_limit")
    settings = replace(BOTH, public=replace(FREE_PORT, max_connections=1), max_connections=10)
    async with (
        serve(settings, services, Listener.PUBLIC) as url,
        ClientSession() as first,
        ClientSession() as second,
    ):
        assert (await (await first.get(f"{url}/health/live")).read()) == b'{"status":"live"}'
        assert (await second.get(f"{url}/api/v1/archives")).status == 503
        assert (await second.get(f"{url}/health/live")).status == 200

    assert "too many HTTP connections: see public_http.max_connections" in caplog.text


async def test_head_of_a_public_request_has_a_limit_of_its_own(services: Services) -> None:
    limits = replace(FREE_PORT, header_timeout_seconds=0.1)
    settings = replace(BOTH, public=limits, header_timeout_seconds=60.0)
    async with serve(settings, services, Listener.PUBLIC) as url, asyncio.timeout(10.0):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /health/live HTTP/1.1\r\n")

        assert await reader.read() == b""
        writer.close()


def make_slow_echo(prefix: str, _: WebSettings, __: Services) -> web.Application:
    async def echo(request: web.Request) -> web.Response:
        return body.json_response(await body.fields(request))

    async def sleep(_: web.Request) -> web.Response:
        await asyncio.sleep(60.0)
        return web.Response()

    slow_echo = web.Application()
    slow_echo.add_routes([web.post(f"{prefix}/echo", echo), web.get(f"{prefix}/sleep", sleep)])
    return slow_echo


SLOW_ECHO = Family(
    name="slow echo",
    listener=Listener.PUBLIC,
    prefix="/slow",
    authenticate=None,
    is_api=False,
    make_app=make_slow_echo,
)


async def test_requests_have_limits_of_their_own(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    limits = replace(FREE_PORT, max_body_bytes=2000, request_timeout_seconds=0.1)
    settings = replace(BOTH, public=limits, max_body_bytes=4000)
    app = make_app(settings, services, Listener.PUBLIC, (*FAMILIES, SLOW_ECHO))
    client = await aiohttp_client(app)

    small = await client.post("/slow/echo", json={"text": "x" * 1000})
    large = await client.post("/slow/echo", json={"text": "x" * 3000})
    slow = await client.get("/slow/sleep")

    assert [answer.status for answer in (small, large, slow)] == [200, 413, 503]


async def test_public_listener_serves_a_unix_socket(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    settings = replace(BOTH, public=replace(FREE_PORT, address=f"unix:{path}"))

    async with serve(settings, services, Listener.PUBLIC) as address:
        assert address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        async with ClientSession(connector=UnixConnector(str(path))) as client:
            assert (await client.get("http://muniment/health/live")).status == 200

    assert not path.exists()


async def test_address_in_use_is_reported_with_the_option_to_change(services: Services) -> None:
    async with serve(BOTH, services, Listener.PUBLIC) as url:
        occupied = replace(BOTH, public=replace(FREE_PORT, port=int(url.rpartition(":")[2])))

        with pytest.raises(OSError, match=r"change public_http\.port or public_http\.address"):
            async with serve(occupied, services, Listener.PUBLIC):
                pass
