"""The Remote Data contract of stanzas for users who are offline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import (
    HOST,
    OTHER_HOST,
    SECRET_HEADERS,
    SETTINGS,
    message,
    open_services,
)

from component.web.app import make_app


@pytest.fixture
async def api(aiohttp_client: AiohttpClient) -> AsyncIterator[TestClient]:
    async with open_services() as services:
        yield await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)


def waiting(second: int = 1, **fields: Any) -> dict[str, Any]:
    """Return what ejabberd posts for a message from bob."""
    packet = message(f"bob@{HOST}/phone", f"alice@{HOST}", f"message {second}")
    return {
        "peer": f"bob@{HOST}/phone",
        "packet": packet,
        "timestamp": f"2026-01-01T00:00:{second:02d}.123Z",
    } | fields


def given_back(second: int) -> dict[str, Any]:
    return waiting(second, timestamp=f"2026-01-01T00:00:{second:02d}.123000Z")


async def keep(api: TestClient, *stanzas: dict[str, Any], path: str = "offline/alice") -> None:
    for stanza in stanzas:
        async with api.post(f"/api/{path}", json=stanza) as answer:
            assert (answer.status, await answer.read()) == (201, b"")


async def count(api: TestClient, path: str = "offline/alice") -> Any:
    async with api.get(f"/api/{path}/count") as answer:
        assert answer.status == 200
        return await answer.json()


async def pop(api: TestClient, path: str = "offline/alice") -> Any:
    async with api.post(f"/api/{path}/pop") as answer:
        assert answer.status == 200
        return await answer.json()


async def test_posted_stanza_is_stored(api: TestClient) -> None:
    """POST /offline/{user}: 200|201; GET /offline/{user}/count: 200 {"count":N}."""
    assert await count(api) == {"count": 0}

    await keep(api, waiting(1), waiting(2))

    assert await count(api) == {"count": 2}


async def test_collecting_returns_stanzas_oldest_first_and_deletes_them(api: TestClient) -> None:
    """POST /offline/{user}/pop: 200 JSON array of the same objects, atomically removed."""
    await keep(api, waiting(2), waiting(1), waiting(3))

    assert await pop(api) == [given_back(1), given_back(2), given_back(3)]
    assert await pop(api) == []
    assert await count(api) == {"count": 0}


async def test_delete_erases_waiting_stanzas(api: TestClient) -> None:
    """DELETE /offline/{user}: 200."""
    await keep(api, waiting(1))

    for _ in range(2):
        async with api.delete("/api/offline/alice") as answer:
            assert (answer.status, await answer.read()) == (200, b"")
    assert await count(api) == {"count": 0}


async def test_repeated_post_stores_nothing_twice(api: TestClient) -> None:
    """All /offline calls: 2 retries. A slow server gets the same POST up to 3 times."""
    await keep(api, waiting(1), waiting(1), waiting(1))

    assert await pop(api) == [given_back(1)]


async def test_same_stanza_of_another_peer_or_time_is_stored(api: TestClient) -> None:
    """Equal timestamps must both stay retrievable."""
    await keep(api, waiting(1), waiting(1, peer=f"eve@{HOST}"), waiting(1, packet="<message/>"))

    assert await count(api) == {"count": 3}


async def test_users_of_two_hosts_are_distinct(api: TestClient) -> None:
    """There is NO domain parameter in any call: one base URL per vhost."""
    await keep(api, waiting(1), path=f"{OTHER_HOST}/offline/alice")

    assert await count(api) == {"count": 0}
    assert await count(api, f"{OTHER_HOST}/offline/alice%40{OTHER_HOST}") == {"count": 1}
    assert await count(api, f"{OTHER_HOST}/offline/ALICE") == {"count": 1}


@pytest.mark.parametrize("user", ["archive", "roster", "auth", "pop", "count", "v1", "%7Bx%7D"])
async def test_user_name_may_equal_a_path_segment(api: TestClient, user: str) -> None:
    """Sub-path is percent-encoded with "/" kept, "@" -> %40."""
    path = f"offline/{user}"
    await keep(api, waiting(1), path=path)

    assert await count(api, path) == {"count": 1}
    assert await pop(api, path) == [given_back(1)]


@pytest.mark.parametrize("end", ["", "/"])
async def test_trailing_slash_is_optional(api: TestClient, end: str) -> None:
    """Never require a trailing slash."""
    assert (await api.post(f"/api/offline/alice{end}", json=waiting())).status == 201
    assert (await api.get(f"/api/offline/alice/count{end}")).status == 200
    assert (await api.post(f"/api/offline/alice/pop{end}")).status == 200
    assert (await api.delete(f"/api/offline/alice{end}")).status == 200


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"packet": None}, "packet: "),
        ({"packet": "<message>"}, "packet: "),
        ({"packet": "<a/><b/>"}, "packet: "),
        ({"packet": "<!DOCTYPE a><a/>"}, "packet: "),
        ({"packet": "text"}, "packet: "),
        ({"peer": None}, "peer: "),
        ({"peer": "a b@c"}, "peer: "),
        ({"peer": ""}, "peer: "),
        ({"timestamp": "yesterday"}, "timestamp: "),
        ({"timestamp": None}, "timestamp: "),
    ],
)
async def test_stanza_that_cannot_be_returned_is_refused(
    api: TestClient, wrong: dict[str, Any], named: str
) -> None:
    """Weakness of the contract to be fixed: no validation."""
    answer = await api.post("/api/offline/alice", json=waiting(**wrong))

    assert answer.status == 400
    assert (await answer.json())["message"].startswith(named)
    assert await count(api) == {"count": 0}


async def test_stanza_is_returned_byte_for_byte(api: TestClient) -> None:
    """packet: stanza xml."""
    packet = "<message to='ä'><body>&lt;\n\t&#10;😀</body><x:y xmlns:x='u'/></message>"
    await keep(api, waiting(1, packet=packet))

    (kept,) = await pop(api)
    assert kept["packet"] == packet


@pytest.mark.parametrize("user", ["a%20b", f"alice%40{OTHER_HOST}", "alice%2Fx"])
async def test_stanza_for_unknown_user_is_refused(api: TestClient, user: str) -> None:
    """One base URL per vhost."""
    answer = await api.post(f"/api/offline/{user}", json=waiting())

    assert answer.status in (400, 404)
