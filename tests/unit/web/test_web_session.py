"""Users set their presence, answer requests and enter rooms over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.client_sessions import EchoServer
from support.http_services import HOST
from support.sign_in import BOTH, with_sign_in

from component.core.sessions.actions import SessionActions
from component.core.sessions.outgoing import OwnPresence, RoomEntry, Show, Subscription
from component.web.app import make_app
from component.web.server.settings import Listener, Services

ALICE, BOB, ROOM = f"alice@{HOST}", f"bob@{HOST}", f"room@conference.{HOST}"
PASSWORD = "pencil"
OWN = f"/api/v1/archives/{ALICE}"


@pytest.fixture
def server(services: Services) -> EchoServer:
    return EchoServer(services.queue)


@pytest.fixture
async def acting(services: Services, server: EchoServer) -> Services:
    await services.accounts.admin.register(ALICE, PASSWORD)
    actions = SessionActions(server, taken_seconds=0.3)
    return replace(with_sign_in(services), session_actions=actions)


async def signed_in(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(ALICE, PASSWORD)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    return await aiohttp_client(make_app(BOTH, services, Listener.PUBLIC), headers=headers)


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, acting: Services) -> TestClient:
    return await signed_in(aiohttp_client, acting)


async def call(alice: TestClient, method: str, path: str, **options: Any) -> int:
    response = await alice.request(method, f"{OWN}/{path}", **options)
    return response.status


@pytest.mark.parametrize(
    ("fields", "show", "status"),
    [
        ({"show": "away", "status": "At lunch"}, Show.AWAY, "At lunch"),
        ({"show": None}, None, ""),
        ({}, None, ""),
    ],
)
async def test_presence_is_sent(
    alice: TestClient, server: EchoServer, fields: dict[str, Any], show: Show | None, status: str
) -> None:
    assert await call(alice, "PUT", "presence", json=fields) == 204
    [(owner, sent)] = server.sent
    assert (owner, sent) == (ALICE, OwnPresence(id=sent.id, show=show, status=status))


@pytest.mark.parametrize(
    "fields", [{"show": "busy"}, {"status": "\x01"}, {"status": "x" * 1001}, {"other": 1}]
)
async def test_wrong_presence_is_refused(
    alice: TestClient, server: EchoServer, fields: dict[str, Any]
) -> None:
    assert await call(alice, "PUT", "presence", json=fields) == 400
    assert server.sent == []


@pytest.mark.parametrize(
    ("method", "path", "type"),
    [
        ("PUT", "subscriptions", "subscribe"),
        ("DELETE", "subscriptions", "unsubscribe"),
        ("PUT", "requests", "subscribed"),
        ("DELETE", "requests", "unsubscribed"),
    ],
)
async def test_subscription_is_sent(
    alice: TestClient, server: EchoServer, method: str, path: str, type: Any
) -> None:
    assert await call(alice, method, f"{path}/{BOB.upper()}") == 204
    [(owner, sent)] = server.sent
    assert (owner, sent) == (ALICE, Subscription(id=sent.id, to=BOB, type=type))


async def test_room_is_entered_and_left(alice: TestClient, server: EchoServer) -> None:
    assert await call(alice, "PUT", f"rooms/{ROOM}") == 204
    [(owner, sent)] = server.sent
    assert (owner, sent) == (ALICE, RoomEntry(id=sent.id, room=ROOM))
    response = await alice.get(f"{OWN}/rooms")
    assert await response.json() == {"owner": ALICE, "rooms": [ROOM]}

    for _ in range(2):
        assert await call(alice, "DELETE", f"rooms/{ROOM}") == 204
    response = await alice.get(f"{OWN}/rooms")
    assert (await response.json())["rooms"] == []


@pytest.mark.parametrize("path", ["rooms/a@@b", f"rooms/{HOST}", f"requests/{BOB}%2Fphone"])
async def test_wrong_jid_is_not_found(alice: TestClient, server: EchoServer, path: str) -> None:
    assert await call(alice, "PUT", path) == 404
    assert server.sent == []


async def test_refusal_has_the_condition_of_the_room(
    alice: TestClient, server: EchoServer
) -> None:
    server.condition = "registration-required"
    response = await alice.put(f"{OWN}/rooms/{ROOM}")
    refusal = await response.json()
    assert (response.status, refusal["error"]) == (403, "registration-required")
    assert refusal["message"] == f"{ROOM}: Not here."


async def test_silent_server_is_503(alice: TestClient, server: EchoServer) -> None:
    server.is_silent = True
    assert await call(alice, "PUT", f"requests/{BOB}") == 503


async def test_without_sessions_it_is_not_implemented(
    aiohttp_client: AiohttpClient, acting: Services
) -> None:
    alice = await signed_in(aiohttp_client, replace(acting, session_actions=None))
    assert await call(alice, "GET", "rooms") == 501


async def test_no_route_acts_on_the_account_of_another(
    alice: TestClient, server: EchoServer
) -> None:
    values = {"owner": BOB, "id": "x", "contact": ALICE, "room": ROOM, "subject": BOB}
    assert alice.app is not None
    routes = [
        (route.method, route.resource.canonical.format_map(values))
        for route in alice.app.router.routes()
        if route.resource is not None and "{owner}" in route.resource.canonical
    ]
    assert len(routes) > 30
    for method, path in routes:
        query = {"after": "0"} if "/events" in path else {}
        response = await alice.request(method, path, params=query)
        assert response.status == 403, (method, path)
    assert server.sent == []
