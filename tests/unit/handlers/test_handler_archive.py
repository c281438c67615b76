"""The operator's module stores and gives messages, over HTTP as ejabberd asks for them."""

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
def opened(aiohttp_client: AiohttpClient) -> Open:
    """Return what opens a sidecar with these functions."""

    @asynccontextmanager
    async def opening(
        *functions: Callable[..., object], settings: WebSettings = SETTINGS
    ) -> AsyncIterator[TestClient]:
        async with open_services(handlers=handlers(*functions)) as services:
            yield await aiohttp_client(make_app(settings, services), headers=SECRET_HEADERS)

    return opening


def answering(answer: object) -> Callable[..., object]:
    def archive_get(username: str, **asked: str) -> object:
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
async def test_a_message_is_stored_when_the_module_says_so(opened: Open, answer: object) -> None:
    async with opened(storing(answer)) as api:
        posted = await api.post("/api/archive", json=post())

        assert (posted.status, await posted.read()) == (200, b"")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("the disk is full", "the disk is full"),
        (False, "The message was not stored."),
        ("", "The message was not stored."),
        (1, "The message was not stored."),
    ],
)
async def test_a_message_that_the_module_did_not_store_is_not_acknowledged(
    opened: Open, answer: object, told: str
) -> None:
    async with opened(storing(answer)) as api:
        posted = await api.post("/api/archive", json=post())

        assert posted.status == 409
        assert await posted.json() == {"error": "conflict", "message": told, "status": 409}


@pytest.mark.parametrize("method", ["get", "post"])
async def test_exception_of_the_module_is_not_shown_to_the_caller(
    opened: Open, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("cannot reach db.internal")
    async with opened(storing(error), answering(error)) as api:
        if method == "get":
            answer = await api.get("/api/archive?username=alice")
        else:
            answer = await api.post("/api/archive", json=post())

        assert answer.status == 500
        assert (await answer.json())["error"] == "internal-server-error"
        assert "db.internal" not in await answer.text()
        assert "db.internal" in caplog.text


@pytest.mark.parametrize("answer", [None, False])
async def test_no_archive_is_401(opened: Open, answer: object) -> None:
    async with opened(answering(answer)) as api:
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
async def test_invalid_page_is_an_error(opened: Open, answer: object) -> None:
    async with opened(answering(answer)) as api:
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
    opened: Open, answer: dict[str, Any], limit: str, filled_in: dict[str, Any]
) -> None:
    async with opened(answering(answer)) as api:
        read = await api.get(f"/api/archive?username=alice&limit={limit}")

        assert await read.json() == answer | filled_in


async def test_the_count_alone_is_that_of_the_module(opened: Open) -> None:
    async with opened(answering({"archive": [], "count": 7})) as api:
        assert await (await api.get("/api/archive/items?username=alice")).json() == 7


async def test_an_old_caller_gets_the_count_as_a_string(opened: Open) -> None:
    settings = replace(SETTINGS, count_as_string=True)
    async with opened(answering({"archive": [], "count": 7}), settings=settings) as api:
        read = await api.get("/api/archive?username=alice")

        assert (await read.json())["count"] == "7"


async def test_a_user_that_is_named_by_its_jid_is_given_by_its_name(opened: Open) -> None:
    def archive_get(username: str, **asked: str) -> object:
        return {"archive": [{"username": username} | asked]}

    async with opened(archive_get) as api:
        read = await api.get("/api/archive?jid=alice@example.org")

        assert (await read.json())["archive"] == [{"username": "alice"}]


async def test_the_type_is_given_by_the_name_that_the_function_has(opened: Open) -> None:
    def archive_get(username: str, type: str = "", limit: str = "") -> object:
        return {"archive": [{"type": type}]}

    async with opened(archive_get) as api:
        for query in ("type=groupchat", "chat_type=groupchat", "chat_type=x&type=groupchat"):
            read = await api.get(f"/api/archive?username=alice&{query}&page=3&other=x")
            assert (await read.json())["archive"] == [{"type": "groupchat"}]


async def test_pages_and_hosts_are_given_to_those_that_take_them(opened: Open) -> None:
    def archive_get(username: str, host: str, **asked: str) -> object:
        return {"archive": [{"host": host} | asked]}

    async with opened(archive_get) as api:
        read = await api.get("/api/example.net/archive?username=alice&page=3&peer=&other=x")

        assert (await read.json())["archive"] == [{"host": "example.net", "page": "3"}]


@pytest.mark.parametrize("method", ["get", "post"])
async def test_without_a_username_the_module_is_not_asked(opened: Open, method: str) -> None:
    error = AssertionError()
    async with opened(storing(error), answering(error)) as api:
        if method == "get":
            answer = await api.get("/api/archive?peer=bob")
        else:
            answer = await api.post("/api/archive", json={"peer": "bob"})

        assert answer.status == 401


async def test_missing_archive_function_is_handled_by_muniment(opened: Open) -> None:
    kept: list[Any] = []

    def archive_store(payload: dict[str, Any]) -> None:
        kept.append(payload)

    async with opened(archive_store) as api:
        await api.post("/api/archive", json=post())
        read = await api.get("/api/archive?username=alice")

        assert kept == [post()]
        assert await read.json() == {"archive": [], "count": 0, "complete": True}
