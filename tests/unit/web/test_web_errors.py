"""Each error of each route has the same JSON shape and reveals no internals."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import SECRET_HEADERS, SETTINGS, post

from component.core.errors import ItemNotFound
from component.web.app import make_app
from component.web.health import family as health
from component.web.metrics.family import metrics
from component.web.operators.rendering import PREFIX
from component.web.server.errors import CONDITIONS, INTERNAL, body, middleware
from component.web.server.settings import Services

#: Parts of Remote Data without `limit`; they accept any parameter.
LENIENT = {"auth", "user", "roster", "offline"}


class PathValues(dict[str, str]):
    """Values for placeholders in paths; a bare JID by default."""

    def __missing__(self, name: str) -> str:
        return f"{name}@example.org"


def routes(app: web.Application) -> Iterator[tuple[str, str]]:
    """Yield the routes of all APIs; the errors of pages are pages."""
    for route in app.router.routes():
        if route.resource is None or route.handler in (health.live, health.ready, metrics):
            continue
        if route.resource.canonical.startswith(("/openapi.json", "/docs")):
            continue
        values = PathValues(host="example.org", name="erase")
        path = route.resource.canonical.format_map(values)
        if not f"{path}/".startswith(f"{PREFIX}/"):
            yield route.method, path


async def assert_shape(client: TestClient, method: str, path: str, *statuses: int) -> None:
    async with client.request(method, path) as answer:
        assert answer.status in statuses, f"{method} {path}"
        assert answer.content_type == "application/json"
        if method == "HEAD":
            return
        error = await answer.json()
        assert error.keys() == {"error", "message", "status"}
        assert error["status"] == answer.status
        assert error["message"]


def test_lone_surrogate_in_a_message_is_replaced() -> None:
    """Bytes of a header that are not UTF-8 become lone surrogates."""
    error = json.loads(body("item-not-found", "no message has the id \udcff", 404))

    assert error["message"] == "no message has the id ?"


async def test_request_without_secret_is_401_on_each_route(stranger: TestClient) -> None:
    all_routes = list(routes(stranger.app))

    assert all_routes
    for method, path in all_routes:
        await assert_shape(stranger, method, path, 401)


async def test_wrong_method_is_405_on_each_route(api: TestClient) -> None:
    all_routes = list(routes(api.app))
    for path in {path for _, path in all_routes}:
        allowed = {method for method, route in all_routes if route == path}
        for method in {"DELETE", "PUT", "PATCH", "POST", "GET"} - allowed:
            await assert_shape(api, method, path, 405)


async def test_bad_input_is_400_on_each_route(api: TestClient) -> None:
    for method, path in routes(api.app):
        if not LENIENT.isdisjoint(path.split("/")):
            continue
        statuses = (400, 415) if method in ("POST", "PUT") else (400,)
        await assert_shape(api, method, f"{path}?username=alice&limit=asdf", *statuses)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/nothing", "/api/unknown.host/archive", "/%00"]
)
async def test_unknown_path_is_404(api: TestClient, path: str) -> None:
    await assert_shape(api, "GET", path, 404)


@pytest.mark.parametrize(
    "query",
    [
        "limit=asdf",
        "limit=-1",
        "limit=1.5",
        "type=asdf",
        "after=asdf",
        "before=2016-04-18",
        "after=last",
        "peer=@",
        "peer=a%00b",
    ],
)
@pytest.mark.parametrize("path", ["/api/archive", "/api/archive/items"])
async def test_wrong_parameter_is_400_with_its_name(
    api: TestClient, path: str, query: str
) -> None:
    answer = await api.get(f"{path}?username=alice&{query}")

    error = await answer.json()
    assert answer.status == 400
    assert error["error"] == "bad-request"
    assert error["message"].partition(":")[0] in ("limit", "type", "after", "before", "peer")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "alice@example.net"),
        ("username", "alice@example.org/phone"),
        ("username", "a/b"),
        ("username", "a b"),
        ("username", ["alice"]),
        ("timestamp", "now"),
        ("type", "asdf"),
        ("direction", "up"),
        ("xml", "not xml"),
        ("xml", "<message/><message/>"),
        ("xml", "<message><body></message>"),
        ("xml", "<!DOCTYPE message><message/>"),
        ("xml", "<presence/>"),
        ("xml", {"a": 1}),
        ("xml", "<message from='@'/>"),
        ("nick", {"a": 1}),
    ],
)
async def test_wrong_field_is_400_with_its_name(
    api: TestClient, field: str, value: object
) -> None:
    answer = await api.post("/api/archive", json=post(**{field: value}))

    error = await answer.json()
    assert answer.status == 400
    assert error["message"].partition(":")[0] == field


@pytest.mark.parametrize(
    ("missing", "fields"),
    [
        ("timestamp", {"timestamp": None}),
        ("xml", {"xml": None}),
        ("direction", {"xml": None, "body": "x"}),
        ("peer", {"xml": None, "body": "x", "direction": "send", "peer": None}),
        ("direction", {"xml": "<message from='x@y.example' to='z@y.example'/>"}),
        ("peer", {"xml": None, "body": "x", "direction": "send", "peer": "a/b"}),
        ("body", {"xml": None, "body": "\x00", "direction": "send"}),
    ],
)
async def test_missing_field_is_400_with_its_name(
    api: TestClient, missing: str, fields: dict[str, object]
) -> None:
    answer = await api.post("/api/archive", json=post(**fields))

    assert answer.status == 400
    assert (await answer.json())["message"].partition(":")[0] == missing


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"x", 415),
        ("multipart/form-data", b"x", 415),
        ("application/octet-stream", b"{}", 415),
        ("application/json", b"", 400),
        ("application/json", b"{", 400),
        ("application/json", b'"text"', 400),
        ("application/json", b"[]", 400),
        ("application/json", b"\xff", 400),
        ("application/json", b'{"username": "\\ud800"}', 400),
        ("application/json", b"[" * 5000, 400),
        ("application/x-www-form-urlencoded", b"username=%ff", 400),
        ("application/x-www-form-urlencoded", b"\xff", 400),
        ("application/x-www-form-urlencoded", b"a&" * 200, 400),
    ],
)
async def test_malformed_body_is_refused(
    api: TestClient, content_type: str, body: bytes, status: int
) -> None:
    answer = await api.post("/api/archive", data=body, headers={"Content-Type": content_type})

    assert answer.status == status
    assert (await answer.json())["status"] == status


async def test_too_large_body_is_413(aiohttp_client: AiohttpClient, services: Services) -> None:
    settings = replace(SETTINGS, max_body_bytes=1000)
    client = await aiohttp_client(make_app(settings, services), headers=SECRET_HEADERS)

    async def in_chunks() -> object:
        for _ in range(30):
            yield b" " * 100

    announced = await client.post("/api/archive", json=post(nick="x" * 1000))
    chunked = await client.post(
        "/api/archive", data=in_chunks(), headers={"Content-Type": "application/json"}
    )

    for answer in (announced, chunked):
        assert answer.status == 413
        assert (await answer.json())["error"] == "policy-violation"


@pytest.fixture
async def faulty(aiohttp_client: AiohttpClient) -> TestClient:
    """An application that fails behind our errors middleware."""

    async def crash(_: web.Request) -> web.Response:
        raise RuntimeError("SELECT secret FROM users")

    async def refuse(_: web.Request) -> web.Response:
        raise ItemNotFound

    app = web.Application(middlewares=[middleware()])
    app.add_routes([web.get("/crash", crash), web.get("/refuse", refuse)])
    return await aiohttp_client(app)


async def test_exception_is_logged_and_answered_without_its_text(
    faulty: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await faulty.get("/crash?password=hunter2")

    error = await answer.json()
    assert (answer.status, error["error"]) == (500, "internal-server-error")
    assert "SELECT" not in str(error)
    assert "RuntimeError: SELECT" in caplog.text
    assert "hunter2" not in caplog.text


async def test_refusal_of_the_core_keeps_its_condition(faulty: TestClient) -> None:
    answer = await faulty.get("/refuse")

    assert await answer.json() == {
        "error": "item-not-found",
        "message": "There is no such item in this archive.",
        "status": 404,
    }


def test_each_condition_is_one_of_rfc_6120() -> None:
    conditions = {"bad-request", "feature-not-implemented", "forbidden", "internal-server-error"}
    conditions |= {"item-not-found", "not-acceptable", "not-allowed", "not-authorized"}
    conditions |= {"conflict", "policy-violation", "remote-server-timeout", "resource-constraint"}
    assert set(itertools.chain(CONDITIONS.values(), [INTERNAL])) <= conditions
