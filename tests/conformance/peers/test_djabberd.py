"""djabberd's own tests of Remote Data, with the handlers of those tests.

The numbers are those of its tests; its two tests of the configuration are in
`tests/unit/handlers/test_loading.py`. docs/remote-data.md lists the deliberate differences.
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
    # User names are prepared as in XMPP, so True becomes true.
    return username == "true"


def user_authentication(username: str, password: str) -> bool:
    return is_true(username) and password == "password"


def user_exists(username: str) -> bool:
    return is_true(username)


def retrieve_user_roster(username: str) -> dict[str, Any] | None:
    return ROSTER if is_true(username) else None


@pytest.fixture
def calls() -> list[Any]:
    """The arguments of each call of the archive handlers."""
    return []


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, calls: list[Any]) -> AsyncIterator[TestClient]:
    def archive_store(payload: dict[str, Any]) -> bool:
        calls.append(payload)
        return True

    def archive_get(username: str, **parameters: str) -> dict[str, Any]:
        calls.append((username, parameters))
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
async def test_success_is_200_and_failure_401(api: TestClient, path: str, status: int) -> None:
    """Return HTTP 200 for the successful case, HTTP 401 if it's not the successful case."""
    response = await api.get(path)

    assert response.status == status


async def test_9_roster_of_the_handler_is_returned_unchanged(api: TestClient) -> None:
    """GET /roster of an existing user: 200 and exactly the roster of the handler."""
    response = await api.get("/api/roster?username=True")

    assert await response.json() == ROSTER


async def test_11_posted_message_reaches_the_handler_unchanged(
    api: TestClient, calls: list[Any]
) -> None:
    """POST /archive with the six README fields: 200, store called with exactly that object."""
    response = await api.post("/api/archive", json=SIX)

    assert (response.status, await response.read()) == (200, b"")
    assert calls == [SIX]


async def test_13_archive_of_the_handler_is_returned_unchanged(
    api: TestClient, calls: list[Any]
) -> None:
    """GET /archive?username=True: 200, reader called with username only."""
    response = await api.get("/api/archive?username=True")

    # Muniment adds `complete`, because a caller without it continues paging.
    assert await response.json() == {**ARCHIVE, "complete": True}
    assert calls == [("True", {})]


@pytest.mark.parametrize("name", ["peer", "after", "before", "limit", "chat_type"])
async def test_14_query_parameter_reaches_the_handler_as_a_string(
    api: TestClient, calls: list[Any], name: str
) -> None:
    """Each of peer, after, before, limit, chat_type: reader gets exactly that one argument."""
    response = await api.get(f"/api/archive?username=True&{name}=asdf")

    assert response.status == 200
    assert calls == [("True", {name: "asdf"})]
