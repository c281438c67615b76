"""What djabberd's own tests ask of it, with the handlers that those have.

The two rows on its configuration are `tests/unit/handlers/test_loading.py`. Beside what is
deliberately otherwise (docs/remote-data.md) all of it holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.handlers import handlers
from support.http_services import SECRET_HEADERS, SETTINGS, open_services

from component.web.app import make_app

ROSTER = {"roster": [{"username": "contact", "subscription": "both", "nick": "NICK"}]}
SIX = {
    "username": "USERNAME1",
    "peer": "USERNAME2",
    "xml": "MESSAGE_STANZA",
    "body": "TEXT",
    "timestamp": "TIMESTAMP",
    "direction": "DIRECTION",
}
ARCHIVE = {"archive": [SIX], "count": 1}


def is_true(username: str) -> bool:
    # Names are prepared as in XMPP: True is true.
    return username == "true"


def user_authentication(username: str, password: str) -> bool:
    return is_true(username) and password == "password"


def user_exists(username: str) -> bool:
    return is_true(username)


def retrieve_user_roster(username: str) -> dict[str, Any] | None:
    return ROSTER if is_true(username) else None


@pytest.fixture
def calls() -> list[Any]:
    """What the archive was called with."""
    return []


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, calls: list[Any]) -> AsyncIterator[TestClient]:
    def archive_store(payload: dict[str, Any]) -> bool:
        calls.append(payload)
        return True

    def archive_get(username: str, **asked: str) -> dict[str, Any]:
        calls.append((username, asked))
        return ARCHIVE

    module = handlers(
        user_authentication, user_exists, retrieve_user_roster, archive_store, archive_get
    )
    async with open_services(handlers=module) as services:
        yield await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)
    module.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/api/auth?username=username&password=", 401, id="1"),
        pytest.param("/api/auth?username=&password=password", 401, id="2"),
        pytest.param("/api/auth?username=True&password=password", 200, id="3"),
        pytest.param("/api/auth?username=False&password=password", 401, id="4"),
        pytest.param("/api/user?username=", 401, id="5"),
        pytest.param("/api/user?username=True", 200, id="6"),
        pytest.param("/api/user?username=False", 401, id="7"),
        pytest.param("/api/roster?username=", 401, id="8"),
        pytest.param("/api/roster?username=True", 200, id="9"),
        pytest.param("/api/roster?username=False", 401, id="10"),
        pytest.param("/api/archive?username=", 401, id="12"),
        pytest.param("/api/archive?username=True", 200, id="13"),
    ],
)
async def test_the_status_says_it_all(api: TestClient, path: str, status: int) -> None:
    """Return HTTP 200 for the successful case, HTTP 401 if it's not the successful case."""
    answer = await api.get(path)

    assert answer.status == status


async def test_9_a_roster_is_given_as_it_is(api: TestClient) -> None:
    """GET /roster of an existing user: 200 and exactly the roster of the handler."""
    answer = await api.get("/api/roster?username=True")

    assert await answer.json() == ROSTER


async def test_11_a_message_reaches_the_handler_as_it_was_posted(
    api: TestClient, calls: list[Any]
) -> None:
    """POST /archive with the six README fields: 200, store called with exactly that object."""
    answer = await api.post("/api/archive", json=SIX)

    assert (answer.status, await answer.read()) == (200, b"")
    assert calls == [SIX]


async def test_13_an_archive_is_given_as_it_is(api: TestClient, calls: list[Any]) -> None:
    """GET /archive?username=True: 200, reader called with username only."""
    answer = await api.get("/api/archive?username=True")

    # That it is complete is said beside: who is not told goes on paging.
    assert await answer.json() == {**ARCHIVE, "complete": True}
    assert calls == [("True", {})]


@pytest.mark.parametrize("name", ["peer", "after", "before", "limit", "chat_type"])
async def test_14_the_handler_is_given_what_was_asked_as_a_string(
    api: TestClient, calls: list[Any], name: str
) -> None:
    """Each of peer, after, before, limit, chat_type: reader gets exactly that one argument."""
    answer = await api.get(f"/api/archive?username=True&{name}=asdf")

    assert answer.status == 200
    assert calls == [("True", {name: "asdf"})]
