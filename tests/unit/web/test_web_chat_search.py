"""GET chat/messages: search in all conversations of a user, with hits in context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.chat import ChatWorld, chat_world, signed_in
from support.http_services import HOST

from component.web.server.settings import Services

ALICE, BOB, CAROL = (f"{name}@{HOST}" for name in ("alice", "bob", "carol"))
PREFIX = "/api/v1/chat"

Users = tuple[TestClient, TestClient, TestClient]


@pytest.fixture
async def world(services: Services) -> AsyncIterator[ChatWorld]:
    opened = await chat_world(services, ALICE, BOB, CAROL)
    yield opened
    await opened.chat.close()


@pytest.fixture
async def users(aiohttp_client: AiohttpClient, world: ChatWorld) -> Users:
    alice, bob, carol = await signed_in(aiohttp_client, world.app(), ALICE, BOB, CAROL)
    return alice, bob, carol


async def say(client: TestClient, jid: str, *texts: str) -> None:
    for text in texts:
        path = f"{PREFIX}/conversations/{jid}/messages"
        response = await client.post(path, json={"body": text})
        assert response.status == 201, await response.text()


async def make_room(client: TestClient, *members: str) -> str:
    response = await client.post(
        f"{PREFIX}/rooms", json={"name": "Garden", "members": list(members)}
    )
    return (await response.json())["jid"]  # type: ignore[no-any-return]


async def search(client: TestClient, text: str, **query: str) -> dict[str, Any]:
    response = await client.get(f"{PREFIX}/messages", params={"search": text, **query})
    assert response.status == 200, await response.text()
    return await response.json()  # type: ignore[no-any-return]


def bodies(page: dict[str, Any]) -> list[str]:
    return [hit["message"]["body"] for hit in page["hits"]]


async def test_hits_of_direct_chats_and_rooms_are_one_list_in_their_context(users: Users) -> None:
    alice, bob, carol = users
    room = await make_room(alice, BOB)
    await say(alice, BOB, "the plan is old")
    await say(bob, room, "hello", "a new plan", "goodbye")
    await say(carol, ALICE, "my plan")

    page = await search(alice, "plan")

    assert (page["complete"], page["next"]) == (True, None)
    assert bodies(page) == ["my plan", "a new plan", "the plan is old"]
    assert [(hit["jid"], hit["type"], hit["name"]) for hit in page["hits"]] == [
        (CAROL, "direct", "carol"),
        (room, "room", "Garden"),
        (BOB, "direct", "bob"),
    ]
    in_room = page["hits"][1]
    assert in_room["message"]["author"] == BOB
    assert [message["body"] for message in in_room["before"]] == ["hello"]
    assert [message["body"] for message in in_room["after"]] == ["goodbye"]


async def test_rooms_of_others_are_not_searched(users: Users) -> None:
    alice, bob, carol = users
    room = await make_room(alice, BOB)
    await say(alice, room, "our secret")

    assert bodies(await search(bob, "secret")) == ["our secret"]
    assert bodies(await search(carol, "secret")) == []
    await bob.delete(f"{PREFIX}/rooms/{room}/members/{BOB}")
    assert bodies(await search(bob, "secret")) == []


async def test_pages_give_each_hit_once_however_they_are_cut(users: Users) -> None:
    alice, bob, _ = users
    rooms = [await make_room(alice, BOB) for _ in range(3)]
    texts = [f"word {number}" for number in range(20)]
    for number, text in enumerate(texts):
        await say(alice, (*rooms, BOB)[number % 4], text)

    found, query = [], {"limit": "3"}
    while True:
        page = await search(bob, "word", **query)
        assert len(page["hits"]) <= 3
        found += bodies(page)
        if page["complete"]:
            break
        query["before"] = page["next"]

    assert found == texts[::-1]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "search"),
        ("search=%20", "search"),
        ("search=x&before=1", "before"),
        ("search=x&a=1", "a"),
    ],
)
async def test_mistake_in_a_search_is_named(users: Users, query: str, name: str) -> None:
    response = await users[0].get(f"{PREFIX}/messages?{query}")

    assert response.status == 400
    assert name in (await response.json())["message"]
