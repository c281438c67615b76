"""The Remote Data contract of rosters, as the modules of ejabberd that call it need it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.http_services import HOST, OTHER_HOST, SECRET_HEADERS, SETTINGS, open_services

from component.core.rosters.cache import RosterCache
from component.core.rosters.own import OwnRosters
from component.core.rosters.service import RosterService
from component.web.app import make_app
from component.web.server.settings import Services
from component.xmpp.connection.addresses import Addresses

ALICE = f"alice@{HOST}"
ITEM = {"username": "alice", "jid": f"bob@{HOST}"}


async def only_alice(jid: str) -> bool:
    return jid == ALICE


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        rosters = OwnRosters(opened.storage.contacts)
        memory = RosterCache(rosters)
        lists = RosterService(rosters, opened.hosts, memory.changed, only_alice)
        yield replace(opened, rosters=lists)


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await aiohttp_client(make_app(SETTINGS, services), headers=SECRET_HEADERS)


@pytest.fixture
async def detailed(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    settings = replace(SETTINGS, roster_details=True)
    return await aiohttp_client(make_app(settings, services), headers=SECRET_HEADERS)


async def put(api: TestClient, **fields: Any) -> None:
    async with api.put("/api/roster", json=ITEM | fields) as response:
        assert response.status == 200, await response.text()


async def get_roster(api: TestClient, path: str = "/api/roster", **query: str) -> Any:
    async with api.get(path, params=query or {"username": "alice"}) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def status(api: TestClient, method: str, path: str, **options: Any) -> int:
    async with api.request(method, path, **options) as response:
        return response.status


# --- reading -----------------------------------------------------------------------------------


async def test_roster_has_one_key_and_items_of_three(api: TestClient) -> None:
    """Roster answer has the single key roster and only username|jid, subscription, nick."""
    await put(api, nick="NICK", subscription="both", groups=["Work"], ask="out", askmessage="hi")

    assert await get_roster(api) == {
        "roster": [{"username": "bob", "subscription": "both", "nick": "NICK"}]
    }


async def test_contact_on_another_domain_has_jid(api: TestClient) -> None:
    """jid: full JID string of a contact on any domain (alternative to username)."""
    for jid in (f"carol@{OTHER_HOST}", "gateway.example/registered", HOST, f"{HOST}/x"):
        await put(api, jid=jid)
    roster = (await get_roster(api))["roster"]

    assert [item["jid"] for item in roster] == sorted(
        [f"carol@{OTHER_HOST}", "gateway.example/registered", HOST, f"{HOST}/x"]
    )
    assert {tuple(item) for item in roster} == {("jid", "subscription", "nick")}


async def test_roster_may_be_empty(api: TestClient) -> None:
    """Empty roster = 200 {"roster":[]}."""
    assert await get_roster(api) == {"roster": []}


@pytest.mark.parametrize("query", [{}, {"username": ""}, {"username": "nobody"}])
async def test_missing_or_unknown_user_is_401(api: TestClient, query: dict[str, str]) -> None:
    """GET /roster?username= : 401; missing user : 401."""
    assert await status(api, "GET", "/api/roster", params=query) == 401


@pytest.mark.parametrize("query", [{"jid": ALICE}, {"username": ALICE}, {"username": "ALICE"}])
async def test_jid_is_accepted_in_place_of_username(
    api: TestClient, query: dict[str, str]
) -> None:
    """Query username (2014: jid)."""
    await put(api)

    assert len((await get_roster(api, **query))["roster"]) == 1


async def test_user_of_another_host_is_refused(api: TestClient) -> None:
    query = {"username": f"alice@{OTHER_HOST}"}

    assert await status(api, "GET", "/api/roster", params=query) == 400
    assert await status(api, "GET", "/api/unknown.example/roster", params=query) == 404


async def test_each_host_has_its_own_rosters(api: TestClient) -> None:
    async with api.put(f"/api/{OTHER_HOST}/roster", json=ITEM) as response:
        assert response.status == 200
    other_roster = await get_roster(api, f"/api/{OTHER_HOST}/roster/", username="alice")

    assert other_roster == {"roster": [{"jid": f"bob@{HOST}", "subscription": "none", "nick": ""}]}
    assert await get_roster(api) == {"roster": []}


async def test_unknown_parameters_are_ignored(api: TestClient) -> None:
    """Ignore unknown query parameters, never 4xx on them."""
    assert await get_roster(api, username="alice", token="x") == {"roster": []}


async def test_groups_and_ask_are_shown_with_details(
    api: TestClient, detailed: TestClient
) -> None:
    """Never emit groups/ask/name by default; offer them behind a switch."""
    await put(api, groups=["Work", "Friends"], ask="out")

    assert await get_roster(detailed) == {
        "roster": [
            {
                "username": "bob",
                "subscription": "none",
                "nick": "",
                "ask": "subscribe",
                "groups": ["Friends", "Work"],
            }
        ]
    }


# --- writing -----------------------------------------------------------------------------------


async def test_writes_have_the_statuses_that_ejabberd_expects(api: TestClient) -> None:
    """Roster writes answer 201/204/200/200/200."""
    assert await status(api, "PUT", "/api/roster", json=ITEM) == 200
    assert await status(api, "PATCH", "/api/roster", json=ITEM | {"nick": "Bobby"}) == 204
    assert await status(api, "POST", "/api/roster", json=ITEM | {"subscription": "to"}) == 201
    assert await get_roster(api) == {
        "roster": [{"username": "bob", "subscription": "to", "nick": "Bobby"}]
    }
    assert await status(api, "DELETE", f"/api/roster/alice/bob%40{HOST}") == 200
    assert await get_roster(api) == {"roster": []}
    await put(api)
    assert await status(api, "DELETE", "/api/roster/alice") == 200
    assert await get_roster(api) == {"roster": []}


async def test_bodies_of_answers_to_writes_are_empty(api: TestClient) -> None:
    """200s must have an EMPTY body or valid JSON."""
    for method in ("PUT", "PATCH", "POST"):
        async with api.request(method, "/api/roster", json=ITEM) as response:
            assert await response.read() == b""
    async with api.delete("/api/roster/alice") as response:
        assert await response.read() == b""


async def test_repeated_write_changes_nothing(api: TestClient) -> None:
    for _ in range(3):
        await put(api, nick="Bobby")

    assert len((await get_roster(api))["roster"]) == 1


async def test_removing_an_unknown_contact_is_200(api: TestClient) -> None:
    assert await status(api, "DELETE", f"/api/roster/alice/bob@{HOST}/") == 200
    assert await status(api, "DELETE", "/api/roster/alice/") == 200


async def test_contact_with_a_resource_is_removed(api: TestClient) -> None:
    """Sub-path is percent-encoded with "/" kept."""
    await put(api, jid="gateway.example/registered")
    assert await status(api, "DELETE", "/api/roster/alice/gateway.example/registered") == 200

    assert await get_roster(api) == {"roster": []}


async def test_write_to_a_named_host_is_accepted(api: TestClient) -> None:
    base = f"/api/{OTHER_HOST}/roster"
    for method, expected in (("PUT", 200), ("PATCH", 204), ("POST", 201)):
        assert await status(api, method, base, json=ITEM) == expected
    assert await status(api, "DELETE", f"{base}/alice/bob%40{HOST}") == 200
    assert await status(api, "DELETE", f"{base}/alice") == 200


@pytest.mark.parametrize("ask", ["none", "in", "out", "both", "subscribe", "unsubscribe", ""])
async def test_each_ask_of_ejabberd_is_accepted(api: TestClient, ask: str) -> None:
    await put(api, ask=ask, askmessage="hi")


@pytest.mark.parametrize(
    "fields",
    [
        {"username": None},
        {"username": ""},
        {"jid": None},
        {"jid": ""},
        {"jid": "@"},
        {"subscription": "maybe"},
        {"ask": "maybe"},
        {"groups": "Work"},
        {"groups": [""]},
        {"groups": [["x"]]},
        {"nick": "\x00"},
        {"jid": ALICE},
    ],
    ids=str,
)
async def test_invalid_contact_is_refused(api: TestClient, fields: dict[str, Any]) -> None:
    async with api.put("/api/roster", json=ITEM | fields) as response:
        error = await response.json()

    assert error["status"] in (400, 401, 409)
    assert await get_roster(api) == {"roster": []}


async def test_request_without_secret_is_401(aiohttp_client: AiohttpClient) -> None:
    async with open_services() as services:
        stranger = await aiohttp_client(make_app(SETTINGS, services))

        assert await status(stranger, "GET", "/api/roster", params={"username": "alice"}) == 401
        assert await status(stranger, "DELETE", "/api/roster/alice") == 401


async def test_jids_are_prepared(api: TestClient) -> None:
    await put(api, username="Alice", jid=f"BOB@{HOST.upper()}")
    contacts = await get_roster(api)

    assert contacts["roster"][0]["username"] == "bob"
    assert Addresses().prepare(f"BOB@{HOST.upper()}") == ITEM["jid"]
