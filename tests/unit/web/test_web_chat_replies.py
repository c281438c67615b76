"""Replies over the chat API: how they are sent, and how they are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.chat import ChatWorld, chat_world, signed_in
from support.http_services import HOST

from component.web.server.settings import Services

ALICE, BOB = (f"{name}@{HOST}" for name in ("alice", "bob"))
PREFIX = "/api/v1/chat"


@pytest.fixture
async def world(services: Services) -> AsyncIterator[ChatWorld]:
    opened = await chat_world(services, ALICE, BOB)
    yield opened
    await opened.chat.close()


@pytest.fixture
async def users(aiohttp_client: AiohttpClient, world: ChatWorld) -> tuple[TestClient, TestClient]:
    alice, bob = await signed_in(aiohttp_client, world.app(), ALICE, BOB)
    return alice, bob


async def call(client: TestClient, method: str, path: str, **fields: Any) -> Any:
    response = await client.request(method, f"{PREFIX}/{path}", json=fields or None)
    assert response.status in (200, 201), await response.text()
    return await response.json()


async def conversation(alice: TestClient, *, in_room: bool) -> tuple[str, str]:
    """Return the paths of the messages of a conversation of Alice and Bob, as each has them."""
    if in_room:
        room = await call(alice, "POST", "rooms", name="Garden", members=[BOB])
        return (f"conversations/{room['jid']}/messages",) * 2
    return f"conversations/{BOB}/messages", f"conversations/{ALICE}/messages"


@pytest.mark.parametrize("in_room", [True, False])
async def test_reply_shows_the_message_that_it_answers_and_its_own_text(
    users: tuple[TestClient, TestClient], in_room: bool
) -> None:
    alice, bob = users
    path, other = await conversation(alice, in_room=in_room)
    await call(alice, "POST", path, body="Tea or coffee?")
    [asked] = (await call(bob, "GET", other))["messages"]
    await call(bob, "POST", other, body="Tea", id="m-1", reply_to=asked["id"])
    # Nothing is sent twice.
    await call(bob, "POST", other, body="Tea", id="m-1", reply_to=asked["id"])

    [first, answer] = (await call(alice, "GET", path))["messages"]

    assert first["reply_to"] is None
    assert answer["body"] == "Tea"
    assert answer["reply_to"] == {
        "id": first["id"],
        "from": first["from"],
        "body": "Tea or coffee?",
    }


@pytest.mark.parametrize(
    ("fields", "status", "name"),
    [
        ({"body": "x", "reply_to": "unknown"}, 404, "reply_to"),
        ({"reply_to": "unknown"}, 400, "body"),
        ({"body": "x", "reply_to": "a", "replaces": "b"}, 400, "reply_to"),
        ({"retracts": "a", "reply_to": "b"}, 400, "reply_to"),
    ],
)
async def test_mistake_in_a_reply_is_named(
    users: tuple[TestClient, TestClient], fields: dict[str, str], status: int, name: str
) -> None:
    response = await users[0].post(f"{PREFIX}/conversations/{BOB}/messages", json=fields)

    assert response.status == status
    assert name in (await response.json())["message"]
