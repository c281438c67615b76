"""Live events of rooms that users make over HTTP, with a server that keeps rooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import ALICE, BOB, entry
from support.chat import ChatWorld, chat_world, signed_in
from support.sign_in import BOTH

from component.core.access.principals import User
from component.core.chat.following.place import parse
from component.web.chat import live_json
from component.web.server.settings import Services
from component.wiring.live import with_live

CHAT = "/api/v1/chat"


@dataclass
class Page:
    """A program that follows."""

    client: TestClient
    cursor: str = ""

    async def call(self, method: str, path: str, **options: Any) -> Any:
        response = await self.client.request(method, CHAT + path, **options)
        assert response.status < 300, await response.text()
        return None if response.status == 204 else await response.json()

    async def events(self) -> list[dict[str, Any]]:
        """Return the events since the last call; the first call only begins."""
        query = {"after": self.cursor} if self.cursor else {}
        page = await self.call("GET", "/events", params=query)
        self.cursor = page["cursor"]
        return page["events"]  # type: ignore[no-any-return]


@pytest.fixture
async def world(services: Services) -> ChatWorld:
    world = await chat_world(services, ALICE, BOB)
    world.services = with_live(world.services, BOTH, world.server)
    return world


@pytest.fixture
async def pages(aiohttp_client: AiohttpClient, world: ChatWorld) -> tuple[Page, Page]:
    """Alice and bob, who have begun to follow."""
    alice, bob = (
        Page(client) for client in await signed_in(aiohttp_client, world.app(), ALICE, BOB)
    )
    for page in (alice, bob):
        assert await page.events() == []
    return alice, bob


async def test_member_who_is_not_in_the_room_gets_its_messages(pages: tuple[Page, Page]) -> None:
    alice, bob = pages
    room = await alice.call("POST", "/rooms", json={"name": "Garden", "members": [BOB]})
    jid = room["jid"]
    [event] = await bob.events()
    assert event["type"] == "rooms"
    assert event["rooms"] == [{"jid": jid, "name": "Garden", "affiliation": "member"}]
    assert [item["type"] for item in await alice.events()] == ["rooms"]

    fields = {"body": "hello", "id": "m-1"}
    sent = await alice.call("POST", f"/conversations/{jid}/messages", json=fields)
    for page, unread in ((alice, 0), (bob, 1)):
        events = [item for item in await page.events() if item["type"] == "message"]
        [event] = events
        assert (event["jid"], event["message"]["id"]) == (jid, sent["id"])
        assert event["message"]["author"] == ALICE
        conversation = event["conversation"]
        assert (conversation["jid"], conversation["type"]) == (jid, "room")
        assert (conversation["unread"], conversation["last"]["id"]) == (unread, sent["id"])


async def test_mark_that_another_program_of_the_user_moves_is_an_event(
    pages: tuple[Page, Page],
) -> None:
    alice, bob = pages
    room = await alice.call("POST", "/rooms", json={"name": "Garden", "members": [BOB]})
    path = f"/conversations/{room['jid']}"
    sent = await alice.call("POST", f"{path}/messages", json={"body": "hello"})
    await bob.events()

    await bob.call("PUT", f"{path}/displayed", json={"id": sent["id"]})

    events = await bob.events()
    assert "displayed" in {item["type"] for item in events}
    assert {item["jid"] for item in events} == {room["jid"]}
    conversation = events[-1]["conversation"]
    assert (conversation["unread"], conversation["displayed"]) == (0, sent["id"])


async def test_removed_member_gets_the_new_list_and_no_more_messages(
    pages: tuple[Page, Page],
) -> None:
    alice, bob = pages
    room = await alice.call("POST", "/rooms", json={"name": "Garden", "members": [BOB]})
    await bob.events()
    path = f"/conversations/{room['jid']}/messages"
    await alice.call("POST", path, json={"body": "hello"})
    await alice.call("DELETE", f"/rooms/{room['jid']}/members/{BOB}")
    await alice.call("POST", path, json={"body": "secret"})

    said, left = await bob.events()

    assert (said["message"]["body"], said["conversation"]) == ("hello", None)
    assert (left["type"], left["rooms"]) == ("rooms", [])


async def test_member_who_is_removed_while_a_page_is_read_gets_what_was_said_before(
    pages: tuple[Page, Page], world: ChatWorld
) -> None:
    alice, bob = pages
    room = await alice.call("POST", "/rooms", json={"name": "Garden", "members": [BOB]})
    await bob.events()
    path = f"/conversations/{room['jid']}/messages"
    await alice.call("POST", path, json={"body": "hello"})
    assert world.chat.live is not None
    page = await world.chat.live.page(BOB, parse(bob.cursor))
    await alice.call("DELETE", f"/rooms/{room['jid']}/members/{BOB}")

    [said] = await live_json.events(User(BOB), world.chat, page)

    assert (said["message"]["body"], said["conversation"]) == ("hello", None)


async def test_member_who_has_left_gets_nothing_from_before_the_room_removes_the_user(
    pages: tuple[Page, Page],
) -> None:
    alice, bob = pages
    room = await alice.call("POST", "/rooms", json={"name": "Garden", "members": [BOB]})
    await bob.events()
    before = bob.cursor
    await bob.call("DELETE", f"/rooms/{room['jid']}/members/{BOB}")
    path = f"/conversations/{room['jid']}/messages"
    await alice.call("POST", path, json={"body": "secret"})

    for cursor in (bob.cursor, before):
        bob.cursor = cursor
        assert [item["rooms"] for item in await bob.events()] == [[]]


async def test_member_whose_removal_nobody_saw_gets_no_more_messages(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await chat_world(services, ALICE, BOB, members_seconds=0.0)
    world.services = with_live(world.services, BOTH, world.server)
    clients = await signed_in(aiohttp_client, world.app(), ALICE, BOB)
    alice, bob = map(Page, clients)
    room = await alice.call("POST", "/rooms", json={"name": "Garden", "members": [BOB]})
    await bob.events()
    del world.server.rooms_kept[room["jid"]].affiliations[BOB]
    secret = entry("secret", owner=room["jid"], peer=room["jid"], type="groupchat")
    await world.services.writer.store([secret])

    events = [*await bob.events(), *await bob.events()]

    assert [(item["type"], item["rooms"]) for item in events] == [("rooms", [])]


async def test_chat_state_to_a_foreign_room_is_404(
    pages: tuple[Page, Page], world: ChatWorld
) -> None:
    alice, bob = pages
    room = await alice.call("POST", "/rooms", json={"name": "Garden"})

    response = await bob.client.post(
        f"{CHAT}/conversations/{room['jid']}/typing", json={"state": "composing"}
    )

    assert response.status == 404
    await alice.call("POST", f"/conversations/{room['jid']}/typing", json={"state": "composing"})
    assert world.server.messages[-1].to == room["jid"]
