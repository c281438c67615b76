"""Users chat over HTTP and XMPP at once: rooms, members who are away, unread messages, marks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from support.displaying import NS_MDS, NS_PUBSUB, item, publication, stanza_id
from support.ejabberd import Account
from support.raw import Client
from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server
from support.stanzas import Refused, body_of

pytestmark = pytest.mark.every_ejabberd

SECONDS = 30.0

NS_ADMIN = "http://jabber.org/protocol/muc#admin"
INVITE = "{http://jabber.org/protocol/muc#user}x/{http://jabber.org/protocol/muc#user}invite"
DISPLAYED = "{urn:xmpp:chat-markers:0}displayed"


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    with sign_in_server(tmp_path_factory.mktemp("chat"), release, has_rooms=True) as signing_in:
        yield signing_in


class Chat:
    """The chat API, as one user calls it."""

    def __init__(self, http: ClientSession, jid: str) -> None:
        self._http = http
        self.jid = jid

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        response = await self._http.request(method, f"/api/v1/chat/{path}", **options)
        return response.status, None if response.status == 204 else await response.json()

    async def do(self, method: str, path: str, **options: Any) -> Any:
        status, answer = await self.call(method, path, **options)
        assert status in (200, 201, 204), (method, path, status, answer)
        return answer

    async def status(self, method: str, path: str, **options: Any) -> int:
        return (await self.call(method, path, **options))[0]

    async def make_room(self, *members: Chat, name: str = "Garden") -> str:
        fields = {"name": name, "members": [member.jid for member in members]}
        return (await self.do("POST", "rooms", json=fields))["jid"]  # type: ignore[no-any-return]

    async def say(self, conversation: str, body: str, **fields: Any) -> dict[str, Any]:
        path = f"conversations/{conversation}/messages"
        return await self.do("POST", path, json={"body": body, **fields})  # type: ignore[no-any-return]

    async def messages(self, conversation: str, **query: str) -> list[dict[str, Any]]:
        path = f"conversations/{conversation}/messages"
        return (await self.do("GET", path, params=query))["messages"]  # type: ignore[no-any-return]

    async def bodies(self, conversation: str) -> list[str]:
        return [message["body"] for message in await self.messages(conversation)]

    async def conversations(self) -> dict[str, dict[str, Any]]:
        listed = (await self.do("GET", "conversations"))["conversations"]
        return {conversation["jid"]: conversation for conversation in listed}

    async def rooms(self) -> dict[str, str]:
        rooms = (await self.do("GET", "rooms"))["rooms"]
        return {room["jid"]: room["name"] for room in rooms}


@asynccontextmanager
async def chatting(signing_in: SigningIn, *accounts: Account) -> AsyncIterator[list[Chat]]:
    """Sign users in, one after the other."""
    opened = [signing_in.user(await signing_in.sign_in(account)) for account in accounts]
    try:
        yield [Chat(http, account.jid) for http, account in zip(opened, accounts, strict=True)]
    finally:
        for http in opened:
            await http.close()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until an asynchronous condition is true."""
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def affiliate(client: Client, room: str, jid: str, affiliation: str) -> None:
    """Set an affiliation as an XMPP client does."""
    item = f"<item affiliation='{affiliation}' jid='{jid}'/>"
    await client.ask("set", f"<query xmlns='{NS_ADMIN}'>{item}</query>", to=room)


async def test_member_who_is_away_reads_a_room_and_its_unread_messages(
    signing_in: SigningIn,
) -> None:
    accounts = signing_in.server.accounts("alice", "bob", "carol")
    async with chatting(signing_in, *accounts) as (alice, bob, carol):
        room = await alice.make_room(bob)
        sent = await alice.say(room, "first", id="m-1")
        again = await alice.say(room, "first", id="m-1")
        await alice.say(room, "second")

        assert (sent["body"], sent["author"], sent["id"]) == ("first", alice.jid, again["id"])
        assert await bob.bodies(room) == ["first", "second"]
        assert [m["author"] for m in await bob.messages(room)] == [alice.jid, alice.jid]
        at_bob = (await bob.conversations())[room]
        assert (at_bob["type"], at_bob["name"], at_bob["unread"]) == ("room", "Garden", 2)
        assert (at_bob["displayed"], at_bob["last"]["body"]) == (None, "second")
        assert (await alice.conversations())[room]["unread"] == 0

        marked = await bob.do("PUT", f"conversations/{room}/displayed", json={"id": sent["id"]})
        assert (marked["unread"], marked["displayed"]) == (1, sent["id"])

        # The marker of bob, which the room sends to alice, says the same.
        await until(lambda: _is_displayed(alice, room))
        assert (await bob.conversations())[room]["unread"] == 1

        answer = await bob.say(room, "answer")
        assert (await bob.conversations())[room]["unread"] == 0
        assert (await alice.conversations())[room]["unread"] == 1
        assert answer["author"] == bob.jid
        shown = await bob.do("GET", f"rooms/{room}")
        assert shown["affiliation"] == "member"
        assert {m["jid"]: m["affiliation"] for m in shown["members"]} == {
            alice.jid: "owner",
            bob.jid: "member",
        }
        for method, path, fields in (
            ("GET", f"rooms/{room}", None),
            ("DELETE", f"rooms/{room}", None),
            ("PATCH", f"rooms/{room}", {"name": "Mine"}),
            ("GET", f"conversations/{room}", None),
            ("GET", f"conversations/{room}/messages", None),
            ("POST", f"conversations/{room}/messages", {"body": "hello"}),
            ("PUT", f"conversations/{room}/displayed", {"id": sent["id"]}),
            ("PUT", f"rooms/{room}/members/{carol.jid}", {"affiliation": "owner"}),
            ("DELETE", f"rooms/{room}/members/{bob.jid}", None),
            ("POST", f"rooms/{room}/invitations", None),
        ):
            assert await carol.status(method, path, json=fields) == 404, (method, path)
        assert await carol.rooms() == {}


async def test_xmpp_client_is_invited_and_sees_what_the_page_sees(signing_in: SigningIn) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob")
    async with (
        chatting(signing_in, *accounts) as (alice, bob),
        server.client(accounts[1]) as phone,
    ):
        await phone.be_available()
        room = await alice.make_room(bob)

        invitation = await phone.wait_for(lambda stanza: stanza.find(INVITE) is not None)
        assert invitation.get("from") == room
        await phone.join(room, "bob")
        sent = await alice.say(room, "to all")
        received = await phone.wait_for_body("to all")
        assert received.get("from") == f"{room}/{accounts[0].jid.partition('@')[0]}"
        phone.say(room, "from the phone", type="groupchat")
        await phone.wait_for_body("from the phone")

        await until(lambda: _has(alice, room, "from the phone"))
        from_phone = (await alice.messages(room))[-1]
        assert (from_phone["body"], from_phone["author"]) == ("from the phone", bob.jid)
        # Who answers has read what was said before.
        assert (await bob.conversations())[room]["unread"] == 0
        assert (await alice.conversations())[room]["unread"] == 1

        await alice.do("POST", f"conversations/{room}/messages", json={"retracts": sent["id"]})
        await alice.do(
            "POST",
            f"conversations/{room}/messages",
            json={"reacts_to": from_phone["id"], "reactions": ["👍"]},
        )
        await until(lambda: _reacted(bob, room))
        [retracted, reacted] = await bob.messages(room)
        assert retracted["body"] is None
        assert list(reacted["reactions"]) == ["👍"]


async def _is_displayed(chat: Chat, room: str) -> bool:
    [first, *_] = await chat.messages(room)
    return [receipt["state"] for receipt in first["receipts"]] == ["displayed"]


async def _has(chat: Chat, conversation: str, body: str) -> bool:
    return body in await chat.bodies(conversation)


async def _reacted(chat: Chat, room: str) -> bool:
    return bool((await chat.messages(room))[-1]["reactions"])


async def test_members_whom_an_xmpp_client_adds_and_removes_are_seen(
    signing_in: SigningIn,
) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob", "carol")
    async with (
        chatting(signing_in, *accounts) as (alice, bob, carol),
        server.client(accounts[0]) as laptop,
    ):
        room = await alice.make_room(bob)
        await alice.say(room, "before")
        assert await bob.bodies(room) == ["before"]

        await affiliate(laptop, room, carol.jid, "member")
        await affiliate(laptop, room, bob.jid, "none")

        await until(lambda: _is_listed(carol, room))
        assert await carol.bodies(room) == ["before"]
        assert await bob.status("GET", f"conversations/{room}/messages") == 404
        assert await bob.status("GET", f"rooms/{room}") == 404
        assert room not in await bob.conversations()


async def _is_listed(chat: Chat, room: str) -> bool:
    return room in await chat.conversations()


async def test_members_join_by_token_leave_and_are_removed(signing_in: SigningIn) -> None:
    accounts = signing_in.server.accounts("alice", "bob", "carol")
    async with chatting(signing_in, *accounts) as (alice, bob, carol):
        room = await alice.make_room()
        await alice.say(room, "before")
        issued = await alice.do("POST", f"rooms/{room}/invitations", json={})

        joined = await bob.do("POST", "rooms/join", json={"token": issued["token"]})
        await carol.do("POST", "rooms/join", json={"token": issued["token"]})

        assert (joined["jid"], joined["affiliation"]) == (room, "member")
        assert await bob.status("POST", "rooms/join", json={"token": "wrong"}) == 404
        assert await bob.status("POST", f"rooms/{room}/invitations") == 403
        assert await bob.status("PATCH", f"rooms/{room}", json={"name": "Mine"}) == 403
        assert (await bob.conversations())[room]["unread"] == 0
        await alice.do("PATCH", f"rooms/{room}", json={"name": "Park"})
        assert (await bob.do("GET", f"rooms/{room}"))["name"] == "Park"

        assert await alice.status("DELETE", f"rooms/{room}/members/{alice.jid}") == 409
        await bob.do("DELETE", f"rooms/{room}/members/{bob.jid}")
        await alice.do("DELETE", f"rooms/{room}/members/{carol.jid}")

        for left in (bob, carol):
            assert await left.status("GET", f"rooms/{room}") == 404
            assert room not in await left.rooms()
        await until(lambda: _has_members(alice, room, 1))
        await alice.do("PUT", f"rooms/{room}/members/{bob.jid}", json={"affiliation": "admin"})
        assert (await bob.do("GET", f"rooms/{room}"))["affiliation"] == "admin"
        await alice.do("DELETE", f"rooms/{room}")
        for user in (alice, bob):
            assert await user.status("GET", f"rooms/{room}") == 404
            assert room not in await user.conversations()


async def _has_members(chat: Chat, room: str, number: int) -> bool:
    return len((await chat.do("GET", f"rooms/{room}"))["members"]) == number


async def test_direct_chat_has_unread_messages_marks_and_pages(signing_in: SigningIn) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob")
    async with (
        chatting(signing_in, *accounts) as (alice, bob),
        server.client(accounts[0]) as laptop,
    ):
        await laptop.be_available()
        sent = [await alice.say(bob.jid, f"message {number}") for number in range(5)]
        await until(lambda: _has(bob, alice.jid, "message 4"))
        ids = [message["id"] for message in await bob.messages(alice.jid)]

        at_bob = (await bob.conversations())[alice.jid]
        assert (at_bob["type"], at_bob["unread"], at_bob["displayed"]) == ("direct", 5, None)
        marked = await bob.do("PUT", f"conversations/{alice.jid}/displayed", json={"id": ids[2]})
        assert (marked["unread"], marked["displayed"]) == (2, ids[2])
        backwards = await bob.do(
            "PUT", f"conversations/{alice.jid}/displayed", json={"id": ids[0]}
        )
        assert (backwards["unread"], backwards["displayed"]) == (2, ids[2])
        marker = await laptop.wait_for(lambda stanza: stanza.find(DISPLAYED) is not None)
        displayed = marker.find(DISPLAYED)
        assert displayed is not None
        assert displayed.get("id") == sent[2]["message_id"]

        around = await bob.do(
            "GET",
            f"conversations/{alice.jid}/messages",
            params={"around": ids[2], "limit": "3"},
        )
        assert [message["id"] for message in around["messages"]] == ids[1:4]
        assert (around["previous"], around["next"]) == (ids[1], ids[3])
        assert (await bob.messages(alice.jid, after=ids[3]))[0]["body"] == "message 4"
        assert [m["body"] for m in await bob.messages(alice.jid, search='"message 1"')] == [
            "message 1"
        ]
        assert body_of(marker) is None or body_of(marker) == ""


async def test_marks_of_xmpp_clients_and_of_http_are_the_same(
    signing_in: SigningIn, release: Release
) -> None:
    server = signing_in.server
    accounts = server.accounts("alice", "bob")
    async with (
        chatting(signing_in, *accounts) as (alice, bob),
        server.client(accounts[1]) as phone,
    ):
        await phone.be_available()
        room = await alice.make_room(bob)
        await phone.join(room, "bob")
        sent = [await alice.say(room, f"message {number}") for number in range(3)]
        received = await phone.wait_for_body("message 0")

        # A marker of the phone moves the mark here.
        given = received.find("{urn:xmpp:sid:0}stanza-id")
        id = sent[0]["message_id"] if given is None else given.get("id")
        phone.send(
            f"<message to='{room}' type='groupchat' id='marker'>"
            f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/></message>"
        )
        await until(lambda: _is_read(bob, room, sent[0]["id"]))
        assert (await bob.conversations())[room]["unread"] == 2

        if release.has_synchronized_displaying:
            # A mark here is published for the phone, and one of the phone counts here.
            await bob.do("PUT", f"conversations/{room}/displayed", json={"id": sent[1]["id"]})
            await until(lambda: _is_published(phone, room, sent[1]["id"]))
            await phone.ask("set", publication(item(room, stanza_id(sent[2]["id"], by=room))))
            await until(lambda: _is_read(bob, room, sent[2]["id"]))
            assert (await bob.conversations())[room]["unread"] == 0


async def _is_read(chat: Chat, conversation: str, id: str) -> bool:
    return bool((await chat.conversations())[conversation]["displayed"] == id)


async def _is_published(client: Client, conversation: str, id: str) -> bool:
    query = f"<pubsub xmlns='{NS_PUBSUB}'><items node='{NS_MDS}'/></pubsub>"
    try:
        items = await client.ask("get", query)
    except Refused:
        # There is no such node yet.
        return False
    marks = {
        item.get("id"): [element.get("id") for element in item.iter("{urn:xmpp:sid:0}stanza-id")]
        for item in items.iter(f"{{{NS_PUBSUB}}}item")
    }
    return marks.get(conversation) == [id]
