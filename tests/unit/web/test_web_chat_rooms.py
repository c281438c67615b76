"""The chat API about rooms, conversations and sign-up: shapes of answers, and refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.chat import SERVICE, ChatWorld, chat_services, chat_world, signed_in, with_chat_for
from support.http_services import HOST, note_gap
from support.sign_in import BOTH

from component.core.xml.times import format_time, now
from component.web.app import make_app
from component.web.server.settings import Listener, Services

ALICE, BOB, CAROL = (f"{name}@{HOST}" for name in ("alice", "bob", "carol"))
PREFIX = "/api/v1/chat"

Users = tuple[TestClient, TestClient, TestClient]
Open = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def world(services: Services) -> AsyncIterator[ChatWorld]:
    opened = await chat_world(services, ALICE, BOB, CAROL)
    yield opened
    await opened.chat.close()


@pytest.fixture
async def users(aiohttp_client: AiohttpClient, world: ChatWorld) -> Users:
    alice, bob, carol = await signed_in(aiohttp_client, world.app(), ALICE, BOB, CAROL)
    return alice, bob, carol


async def do(client: TestClient, method: str, path: str, **fields: Any) -> Any:
    response = await client.request(method, f"{PREFIX}/{path}", json=fields or None)
    assert response.status in (200, 201, 204), await response.text()
    return None if response.status == 204 else await response.json()


async def refusal(client: TestClient, method: str, path: str, **fields: Any) -> tuple[int, str]:
    response = await client.request(method, f"{PREFIX}/{path}", json=fields or None)
    answer = await response.json()
    return response.status, answer["message"]


async def make_room(client: TestClient, *members: str) -> str:
    room = await do(client, "POST", "rooms", name="Garden", members=list(members))
    return room["jid"]  # type: ignore[no-any-return]


async def test_room_is_shown_to_its_members_in_one_form(users: Users) -> None:
    alice, bob, carol = users
    response = await alice.post(f"{PREFIX}/rooms", json={"name": "Garden", "members": [BOB]})
    room = await response.json()

    members = [{"jid": ALICE, "affiliation": "owner"}, {"jid": BOB, "affiliation": "member"}]
    assert response.status == 201
    assert room == {
        "jid": room["jid"],
        "name": "Garden",
        "affiliation": "owner",
        "members": members,
    }
    assert await do(bob, "GET", f"rooms/{room['jid']}") == {**room, "affiliation": "member"}
    listed = [{"jid": room["jid"], "name": "Garden", "affiliation": "member"}]
    assert await do(bob, "GET", "rooms") == {"rooms": listed}
    assert await do(carol, "GET", "rooms") == {"rooms": []}
    for jid in (room["jid"], f"nothing@{SERVICE}"):
        status, message = await refusal(carol, "GET", f"rooms/{jid}")
        assert (status, message) == (404, "There is no such room, or you are not a member of it.")


async def test_members_are_added_changed_and_removed(users: Users) -> None:
    alice, bob, carol = users
    room = await make_room(alice, BOB)

    changed = await do(alice, "PUT", f"rooms/{room}/members/{CAROL}", affiliation="admin")
    assert {"jid": CAROL, "affiliation": "admin"} in changed["members"]
    assert (await do(alice, "PATCH", f"rooms/{room}", name="Park"))["name"] == "Park"
    assert (await refusal(bob, "PATCH", f"rooms/{room}", name="Mine"))[0] == 403
    assert (await refusal(alice, "DELETE", f"rooms/{room}/members/{ALICE}"))[0] == 409
    await do(bob, "DELETE", f"rooms/{room}/members/{BOB}")
    await do(alice, "DELETE", f"rooms/{room}/members/{CAROL}")
    for left in (bob, carol):
        assert (await refusal(left, "GET", f"rooms/{room}"))[0] == 404
    await do(alice, "DELETE", f"rooms/{room}")
    assert (await refusal(alice, "GET", f"rooms/{room}"))[0] == 404


async def test_invitation_is_redeemed(users: Users) -> None:
    alice, bob, carol = users
    room = await make_room(alice)
    for fields in ({}, {"json": {}}):
        response = await alice.post(f"{PREFIX}/rooms/{room}/invitations", **fields)
        assert response.status == 201
        issued = await response.json()
    assert issued.keys() == {"token", "expires"}

    assert (await do(bob, "POST", "rooms/join", token=issued["token"]))["affiliation"] == "member"
    assert (await refusal(carol, "POST", "rooms/join", token="x"))[0] == 404
    assert (await refusal(bob, "POST", f"rooms/{room}/invitations"))[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "fields", "name"),
    [
        ("POST", "rooms", {"members": []}, "name"),
        ("POST", "rooms", {"name": "x" * 101}, "name"),
        ("POST", "rooms", {"name": "a\u202eb"}, "name"),
        ("POST", "rooms", {"name": "x", "members": ["a b@x"]}, "members"),
        ("POST", "rooms", {"name": "x", "members": [f"nobody@{HOST}"]}, "members"),
        ("POST", "rooms", {"name": "x", "secret": True}, "secret"),
        ("PUT", "rooms/{}/members/carol@example.org", {"affiliation": "king"}, "affiliation"),
        ("POST", "rooms/join", {"token": 1}, "token"),
        ("POST", "conversations/{}/messages", {}, "body"),
        ("POST", "conversations/{}/messages", {"body": "x", "to": ALICE}, "to"),
        ("PUT", "conversations/{}/displayed", {}, "id"),
        ("GET", "conversations?before=x", {}, "before"),
        ("GET", "conversations/{}/messages?before=x&after=y", {}, "around"),
        ("GET", "conversations/{}/messages?at=yesterday", {}, "at"),
        ("GET", "conversations/{}/messages?limit=0", {}, "limit"),
        ("GET", "conversations/{}/messages?search=%20", {}, "search"),
        ("GET", "rooms?limit=1", {}, "limit"),
    ],
)
async def test_mistake_in_a_request_is_named(
    users: Users, method: str, path: str, fields: dict[str, Any], name: str
) -> None:
    alice, _, _ = users
    room = await make_room(alice)

    response = await alice.request(method, f"{PREFIX}/{path.format(room)}", json=fields)

    assert response.status == 400
    assert name in (await response.json())["message"]


@pytest.mark.parametrize("path", [f"rooms/{HOST}", "rooms/a%20b@x", f"conversations/x@{HOST}/y"])
async def test_path_that_is_no_jid_is_not_found(users: Users, path: str) -> None:
    assert (await users[0].get(f"{PREFIX}/{path}")).status == 404


async def test_page_at_a_time_has_the_first_message_since_then_and_those_around_it(
    users: Users,
) -> None:
    alice, _, _ = users
    path = f"conversations/{await make_room(alice)}/messages"
    sent = [await do(alice, "POST", path, body=text) for text in ("a", "b", "c", "d", "e")]

    async def bodies(at: str, limit: int = 3) -> list[str]:
        page = await do(alice, "GET", f"{path}?at={at}&limit={limit}")
        return [message["body"] for message in page["messages"]]

    assert await bodies(sent[2]["time"]) == ["b", "c", "d"]
    assert await bodies("2000-01-01T00:00:00Z") == ["a", "b"]
    assert await bodies("2100-01-01T00:00:00Z", limit=2) == ["d", "e"]


@pytest.mark.parametrize("place", ["limit=10", "around={}", "after={}", "before={}"])
async def test_page_of_messages_names_the_gap_that_it_spans(
    users: Users, services: Services, place: str
) -> None:
    alice, _, _ = users
    path = f"conversations/{await make_room(alice)}/messages"
    first = await do(alice, "POST", path, body="first")
    at = now()
    await note_gap(services, at, at + 1)
    second = await do(alice, "POST", path, body="second")

    edge = second if place.startswith("before") else first
    page = await do(alice, "GET", f"{path}?{place.format(edge['id'])}")

    assert page["gaps"] == [
        {
            "from": format_time(at),
            "to": format_time(at + 1),
            "reason": "stopped",
            "state": "missing",
        }
    ]


async def test_conversations_have_unread_messages_and_marks(users: Users) -> None:
    alice, bob, _ = users
    room = await make_room(alice, BOB)
    path = f"conversations/{room}"
    first = await do(alice, "POST", f"{path}/messages", body="first", id="m-1")
    response = await alice.post(f"{PREFIX}/{path}/messages", json={"body": "first", "id": "m-1"})
    await do(alice, "POST", f"{path}/messages", body="second")

    assert response.status == 200
    assert (first["author"], first["message_id"], "xml" in first) == (ALICE, "m-1", False)
    page = await do(bob, "GET", f"{path}/messages")
    assert page.keys() == {"messages", "complete", "previous", "next", "gaps"}
    assert [message["body"] for message in page["messages"]] == ["first", "second"]
    assert [message["author"] for message in page["messages"]] == [ALICE, ALICE]
    listed = await do(bob, "GET", "conversations")
    assert (listed["next"], listed["complete"]) == (None, True)
    [conversation] = listed["conversations"]
    assert conversation == {
        "jid": room,
        "type": "room",
        "name": "Garden",
        "avatar": None,
        "presence": None,
        "unread": 2,
        "displayed": None,
        "last": page["messages"][-1],
    }

    marked = await do(bob, "PUT", f"{path}/displayed", id=first["id"])
    assert marked == {**conversation, "unread": 1, "displayed": first["id"]}
    assert (await refusal(bob, "PUT", f"{path}/displayed", id="unknown"))[0] == 404


async def test_direct_chat_shows_the_authors_of_both_sides(users: Users) -> None:
    alice, bob, _ = users
    await do(alice, "POST", f"conversations/{BOB}/messages", body="hello")
    await do(bob, "POST", f"conversations/{ALICE}/messages", body="hi")

    messages = (await do(alice, "GET", f"conversations/{BOB}/messages"))["messages"]

    assert [message["author"] for message in messages] == [ALICE, BOB]
    shown = await do(alice, "GET", f"conversations/{BOB}")
    assert (shown["type"], shown["unread"], shown["last"]["body"]) == ("direct", 1, "hi")


async def test_list_of_conversations_has_a_link_to_the_next_page(users: Users) -> None:
    alice, _, _ = users
    for jid in (BOB, CAROL):
        await do(alice, "POST", f"conversations/{jid}/messages", body="hello")

    response = await alice.get(f"{PREFIX}/conversations?limit=1")
    page = await response.json()

    assert [item["jid"] for item in page["conversations"]] == [CAROL]
    link = response.headers["Link"]
    assert f"before={page['next']}" in link
    rest = await do(alice, "GET", f"conversations?limit=1&before={page['next']}")
    assert [item["jid"] for item in rest["conversations"]] == [BOB]


async def test_without_sessions_there_are_direct_chats_and_no_rooms(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    chatting = with_chat_for(await chat_services(services, ALICE))
    app = make_app(BOTH, chatting, Listener.PUBLIC)
    [alice] = await signed_in(aiohttp_client, app, ALICE)

    assert (await refusal(alice, "GET", "rooms"))[0] == 501
    assert (await refusal(alice, "POST", f"conversations/{BOB}/messages", body="x"))[0] == 501
    assert (await do(alice, "GET", "conversations"))["conversations"] == []


@pytest.fixture
def open_public(services: Services, aiohttp_client: AiohttpClient) -> Open:
    """Return a function that returns a client of a stranger; it takes options of chat."""

    async def open(**options: object) -> TestClient:
        chatting = with_chat_for(await chat_services(services), **options)
        return await aiohttp_client(make_app(BOTH, chatting, Listener.PUBLIC))

    return open


async def test_stranger_signs_up_and_is_signed_in(open_public: Open) -> None:
    public = await open_public(sign_up=True)
    rules = await do(public, "GET", "sign-up")
    fields = {"jid": ALICE, "password": "correct horse", "name": "Alice"}
    tokens = await do(public, "POST", "sign-up", **fields)

    assert rules == {"allowed": True, "domain": HOST, "password_min": 8, "password_max": 128}
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await public.get(f"{PREFIX}/conversations", headers=headers)).status == 200
    assert (await refusal(public, "POST", "sign-up", **fields))[0] == 409
    status, message = await refusal(public, "POST", "sign-up", jid=BOB, password="short")
    assert (status, "short" in message) == (400, False)


async def test_sign_up_is_off_by_default_and_limited_by_address(open_public: Open) -> None:
    public = await open_public()
    assert (await do(public, "GET", "sign-up"))["allowed"] is False
    assert (await refusal(public, "POST", "sign-up", jid=ALICE, password="correct horse"))[
        0
    ] == 501


async def test_too_many_sign_ups_are_answered_with_429(open_public: Open) -> None:
    public = await open_public(sign_up=True, sign_ups_per_hour=1)
    await do(public, "POST", "sign-up", jid=ALICE, password="correct horse")

    response = await public.post(
        f"{PREFIX}/sign-up", json={"jid": BOB, "password": "correct horse"}
    )

    assert response.status == 429
    assert 0 < int(response.headers["Retry-After"]) <= 3600
