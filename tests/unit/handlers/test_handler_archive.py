"""The archive functions of the operator's module behind the Remote Data API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.handlers import handlers
from support.http_services import SECRET_HEADERS, SETTINGS, open_services, post

from component.web.app import make_app
from component.web.server.settings import WebSettings

Open = Callable[..., Any]


@pytest.fixture
def open_api(aiohttp_client: AiohttpClient) -> Open:
    """Return a function that opens a client of a program with these functions."""

    @asynccontextmanager
    async def opening(
        *functions: Callable[..., object], settings: WebSettings = SETTINGS
    ) -> AsyncIterator[TestClient]:
        async with open_services(handlers=handlers(*functions)) as services:
            yield await aiohttp_client(make_app(settings, services), headers=SECRET_HEADERS)

    return opening


def answering(answer: object) -> Callable[..., object]:
    def archive_get(username: str, **parameters: str) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return archive_get


def storing(answer: object) -> Callable[..., object]:
    def archive_store(payload: dict[str, Any]) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return archive_store


@pytest.mark.parametrize("answer", [True, None])
async def test_true_or_none_acknowledges_the_message(open_api: Open, answer: object) -> None:
    async with open_api(storing(answer)) as api:
        response = await api.post("/api/archive", json=post())

        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("the disk is full", "the disk is full"),
        (False, "The message was not stored."),
        ("", "The message was not stored."),
        (1, "The message was not stored."),
    ],
)
async def test_other_answer_to_a_post_is_409(open_api: Open, answer: object, message: str) -> None:
    async with open_api(storing(answer)) as api:
        response = await api.post("/api/archive", json=post())

        assert response.status == 409
        assert await response.json() == {"error": "conflict", "message": message, "status": 409}


@pytest.mark.parametrize("method", ["get", "post"])
async def test_exception_of_the_module_is_500_without_its_text(
    open_api: Open, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("cannot reach db.internal")
    async with open_api(storing(error), answering(error)) as api:
        if method == "get":
            response = await api.get("/api/archive?username=alice")
        else:
            response = await api.post("/api/archive", json=post())

        assert response.status == 500
        assert (await response.json())["error"] == "internal-server-error"
        assert "db.internal" not in await response.text()
        assert "db.internal" in caplog.text


@pytest.mark.parametrize("answer", [None, False])
async def test_none_or_false_for_an_archive_is_401(open_api: Open, answer: object) -> None:
    async with open_api(answering(answer)) as api:
        assert (await api.get("/api/archive?username=alice")).status == 401
        assert (await api.get("/api/archive/items?username=alice")).status == 401


@pytest.mark.parametrize(
    "answer",
    [
        True,
        [],
        "{}",
        {},
        {"archive": None},
        {"archive": ["x"]},
        {"archive": [{"xml": object()}]},
        {"archive": [], "count": None},
        {"archive": [], "count": "many"},
        {"archive": [], "count": True},
        {"archive": [], "complete": "yes"},
    ],
)
async def test_invalid_page_is_500(open_api: Open, answer: object) -> None:
    async with open_api(answering(answer)) as api:
        assert (await api.get("/api/archive?username=alice")).status == 500


@pytest.mark.parametrize(
    ("answer", "limit", "filled_in"),
    [
        ({"archive": []}, "", {"count": 0, "complete": True}),
        ({"archive": [{}, {}]}, "", {"count": 2, "complete": True}),
        ({"archive": [{}, {}]}, "3", {"count": 2, "complete": True}),
        ({"archive": [{}, {}]}, "2", {"count": 2, "complete": False}),
        ({"archive": [{}]}, "9" * 5000, {"count": 1, "complete": True}),
        ({"archive": [], "count": "7"}, "", {"count": 7, "complete": True}),
        ({"archive": [{}], "count": 9, "complete": True}, "1", {"count": 9, "complete": True}),
    ],
)
async def test_missing_count_and_complete_are_added(
    open_api: Open, answer: dict[str, Any], limit: str, filled_in: dict[str, Any]
) -> None:
    async with open_api(answering(answer)) as api:
        response = await api.get(f"/api/archive?username=alice&limit={limit}")

        assert await response.json() == answer | filled_in


async def test_count_route_returns_the_count_of_the_module(open_api: Open) -> None:
    async with open_api(answering({"archive": [], "count": 7})) as api:
        assert await (await api.get("/api/archive/items?username=alice")).json() == 7


async def test_count_is_a_string_if_configured(open_api: Open) -> None:
    settings = replace(SETTINGS, count_as_string=True)
    async with open_api(answering({"archive": [], "count": 7}), settings=settings) as api:
        response = await api.get("/api/archive?username=alice")

        assert (await response.json())["count"] == "7"


async def test_jid_parameter_is_passed_as_username(open_api: Open) -> None:
    def archive_get(username: str, **parameters: str) -> object:
        return {"archive": [{"username": username} | parameters]}

    async with open_api(archive_get) as api:
        response = await api.get("/api/archive?jid=alice@example.org")

        assert (await response.json())["archive"] == [{"username": "alice"}]


async def test_type_is_passed_by_the_name_of_the_parameter(open_api: Open) -> None:
    def archive_get(username: str, type: str = "", limit: str = "") -> object:
        return {"archive": [{"type": type}]}

    async with open_api(archive_get) as api:
        for query in ("type=groupchat", "chat_type=groupchat", "chat_type=x&type=groupchat"):
            response = await api.get(f"/api/archive?username=alice&{query}&page=3&other=x")
            assert (await response.json())["archive"] == [{"type": "groupchat"}]


async def test_page_and_host_are_passed_to_functions_that_take_them(open_api: Open) -> None:
    def archive_get(username: str, host: str, **parameters: str) -> object:
        return {"archive": [{"host": host} | parameters]}

    async with open_api(archive_get) as api:
        response = await api.get("/api/example.net/archive?username=alice&page=3&peer=&other=x")

        assert (await response.json())["archive"] == [{"host": "example.net", "page": "3"}]


@pytest.mark.parametrize("method", ["get", "post"])
async def test_request_without_username_is_401_without_a_call(open_api: Open, method: str) -> None:
    error = AssertionError()
    async with open_api(storing(error), answering(error)) as api:
        if method == "get":
            response = await api.get("/api/archive?peer=bob")
        else:
            response = await api.post("/api/archive", json={"peer": "bob"})

        assert response.status == 401


async def test_missing_archive_function_is_handled_by_muniment(open_api: Open) -> None:
    stored: list[Any] = []

    def archive_store(payload: dict[str, Any]) -> None:
        stored.append(payload)

    async with open_api(archive_store) as api:
        await api.post("/api/archive", json=post())
        response = await api.get("/api/archive?username=alice")

        assert stored == [post()]
        assert await response.json() == {"archive": [], "count": 0, "complete": True}
