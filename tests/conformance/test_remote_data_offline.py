"""The Remote Data contract of offline stanzas."""

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


def offline_stanza(second: int = 1, **fields: Any) -> dict[str, Any]:
    """Return the fields that ejabberd posts for a message of bob."""
    packet = message(f"bob@{HOST}/phone", f"alice@{HOST}", f"message {second}")
    return {
        "peer": f"bob@{HOST}/phone",
        "packet": packet,
        "timestamp": f"2026-01-01T00:00:{second:02d}.123Z",
    } | fields


def returned_stanza(second: int) -> dict[str, Any]:
    """Return the fields of the same message as Muniment returns them."""
    return offline_stanza(second, timestamp=f"2026-01-01T00:00:{second:02d}.123000Z")


async def store(api: TestClient, *stanzas: dict[str, Any], path: str = "offline/alice") -> None:
    for stanza in stanzas:
        async with api.post(f"/api/{path}", json=stanza) as response:
            assert (response.status, await response.read()) == (201, b"")


async def count(api: TestClient, path: str = "offline/alice") -> Any:
    async with api.get(f"/api/{path}/count") as response:
        assert response.status == 200
        return await response.json()


async def pop(api: TestClient, path: str = "offline/alice") -> Any:
    async with api.post(f"/api/{path}/pop") as response:
        assert response.status == 200
        return await response.json()


async def test_posted_stanza_is_stored(api: TestClient) -> None:
    """POST /offline/{user}: 200|201; GET /offline/{user}/count: 200 {"count":N}."""
    assert await count(api) == {"count": 0}

    await store(api, offline_stanza(1), offline_stanza(2))

    assert await count(api) == {"count": 2}


async def test_collecting_returns_stanzas_oldest_first_and_deletes_them(api: TestClient) -> None:
    """POST /offline/{user}/pop: 200 JSON array of the same objects, atomically removed."""
    await store(api, offline_stanza(2), offline_stanza(1), offline_stanza(3))

    assert await pop(api) == [returned_stanza(1), returned_stanza(2), returned_stanza(3)]
    assert await pop(api) == []
    assert await count(api) == {"count": 0}


async def test_delete_erases_waiting_stanzas(api: TestClient) -> None:
    """DELETE /offline/{user}: 200."""
    await store(api, offline_stanza(1))

    for _ in range(2):
        async with api.delete("/api/offline/alice") as response:
            assert (response.status, await response.read()) == (200, b"")
    assert await count(api) == {"count": 0}


async def test_repeated_post_stores_nothing_twice(api: TestClient) -> None:
    """All /offline calls: 2 retries. A slow server gets the same POST up to 3 times."""
    await store(api, offline_stanza(1), offline_stanza(1), offline_stanza(1))

    assert await pop(api) == [returned_stanza(1)]


async def test_same_stanza_of_another_peer_or_time_is_stored(api: TestClient) -> None:
    """Equal timestamps must both stay retrievable."""
    await store(
        api,
        offline_stanza(1),
        offline_stanza(1, peer=f"eve@{HOST}"),
        offline_stanza(1, packet="<message/>"),
    )

    assert await count(api) == {"count": 3}


async def test_users_of_two_hosts_are_distinct(api: TestClient) -> None:
    """There is NO domain parameter in any call: one base URL per vhost."""
    await store(api, offline_stanza(1), path=f"{OTHER_HOST}/offline/alice")

    assert await count(api) == {"count": 0}
    assert await count(api, f"{OTHER_HOST}/offline/alice%40{OTHER_HOST}") == {"count": 1}
    assert await count(api, f"{OTHER_HOST}/offline/ALICE") == {"count": 1}


@pytest.mark.parametrize("user", ["archive", "roster", "auth", "pop", "count", "v1", "%7Bx%7D"])
async def test_user_name_may_equal_a_path_segment(api: TestClient, user: str) -> None:
    """Sub-path is percent-encoded with "/" kept, "@" -> %40."""
    path = f"offline/{user}"
    await store(api, offline_stanza(1), path=path)

    assert await count(api, path) == {"count": 1}
    assert await pop(api, path) == [returned_stanza(1)]


@pytest.mark.parametrize("end", ["", "/"])
async def test_trailing_slash_is_optional(api: TestClient, end: str) -> None:
    """Never require a trailing slash."""
    assert (await api.post(f"/api/offline/alice{end}", json=offline_stanza())).status == 201
    assert (await api.get(f"/api/offline/alice/count{end}")).status == 200
    assert (await api.post(f"/api/offline/alice/pop{end}")).status == 200
    assert (await api.delete(f"/api/offline/alice{end}")).status == 200


@pytest.mark.parametrize(
    ("fields", "error"),
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
    api: TestClient, fields: dict[str, Any], error: str
) -> None:
    """Weakness of the contract to be fixed: no validation."""
    response = await api.post("/api/offline/alice", json=offline_stanza(**fields))

    assert response.status == 400
    assert (await response.json())["message"].startswith(error)
    assert await count(api) == {"count": 0}


async def test_stanza_is_returned_byte_for_byte(api: TestClient) -> None:
    """packet: stanza xml."""
    packet = "<message to='ä'><body>&lt;\n\t&#10;😀</body><x:y xmlns:x='u'/></message>"
    await store(api, offline_stanza(1, packet=packet))

    (stanza,) = await pop(api)
    assert stanza["packet"] == packet


@pytest.mark.parametrize("user", ["a%20b", f"alice%40{OTHER_HOST}", "alice%2Fx"])
async def test_stanza_for_unknown_user_is_refused(api: TestClient, user: str) -> None:
    """One base URL per vhost."""
    response = await api.post(f"/api/offline/{user}", json=offline_stanza())

    assert response.status in (400, 404)
