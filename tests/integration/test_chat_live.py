"""People chat over HTTP and XMPP at the same time: live events, typing, profiles, files."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha1
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse
from PIL import Image
from support.chat_server import chat_server
from support.ejabberd import Account
from support.event_stream import stream
from support.ports import LOOPBACK
from support.raw import Client
from support.releases import Release
from support.sign_in_server import SigningIn
from support.stanzas import CLIENT
from yarl import URL

#: IQs of users, their presences and uploads differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

SECONDS = 30.0
NS_ADMIN = "http://jabber.org/protocol/muc#admin"
CHAT = "/api/v1/chat"

#: The names of events in the stream of a user.
NAMES = ("message", "rooms", "typing", "contact", "presence", "displayed")
STATES = "http://jabber.org/protocol/chatstates"


@pytest.fixture(scope="module")
def chatting(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    with chat_server(tmp_path_factory.mktemp("chat"), release) as running:
        yield running


class Person:
    """A user over HTTP, with a socket of live events."""

    def __init__(self, http: ClientSession, socket: ClientWebSocketResponse) -> None:
        self.http = http
        self._socket = socket
        self.seen: list[dict[str, Any]] = []  #: all events of the socket

    async def call(self, method: str, path: str, **options: Any) -> Any:
        async with self.http.request(method, CHAT + path, **options) as response:
            assert response.status < 300, await response.text()
            return None if response.status == 204 else await response.json()

    async def until(self, type: str) -> dict[str, Any]:
        """Return the next event of a type."""
        async with asyncio.timeout(SECONDS):
            while True:
                event: dict[str, Any] = json.loads(await self._socket.receive_str())
                self.seen.append(event)
                if event["type"] == type:
                    return event


@asynccontextmanager
async def person(chatting: SigningIn, account: Account) -> AsyncIterator[Person]:
    tokens = await chatting.sign_in(account)
    async with chatting.user(tokens) as http:
        async with http.post("/api/v1/tokens/tickets") as response:
            ticket = (await response.json())["ticket"]
        async with (
            ClientSession(chatting.url) as anonymous,
            anonymous.ws_connect(f"{CHAT}/events/socket", params={"ticket": ticket}) as socket,
        ):
            follower = Person(http, socket)
            await follower.until("begun")
            yield follower


@asynccontextmanager
async def page_and_client(
    chatting: SigningIn,
) -> AsyncIterator[tuple[Account, Person, Account, Client]]:
    """Yield alice, over HTTP, and bob, with an XMPP client, each behind the account."""
    alice, bob = chatting.server.accounts("alice", "bob")
    async with person(chatting, alice) as page, chatting.server.client(bob) as client:
        await client.be_available()
        yield alice, page, bob, client


def state_in(client: Client) -> list[str]:
    """Return the chat states that a client has received."""
    return [
        child.tag.removeprefix(f"{{{STATES}}}")
        for stanza in client.received
        for child in stanza
        if stanza.tag == f"{CLIENT}message" and child.tag.startswith(f"{{{STATES}}}")
    ]


async def test_typing_goes_between_http_and_xmpp(chatting: SigningIn) -> None:
    alice_account, bob_account = chatting.server.accounts("alice", "bob")
    async with (
        person(chatting, alice_account) as alice,
        chatting.server.client(bob_account) as bob,
    ):
        await bob.be_available()
        state = f"<composing xmlns='{STATES}'/>"
        bob.send(f"<message to='{alice_account.jid}' type='chat'>{state}</message>")
        event = await alice.until("typing")
        assert event["jid"] == bob_account.jid
        assert event["typing"]["author"] == bob_account.jid
        assert event["typing"]["state"] == "composing"

        path = f"/conversations/{bob_account.jid}/typing"
        await alice.call("POST", path, json={"state": "composing"})
        await bob.wait_for(lambda stanza: "composing" in state_in(bob))
        page = await alice.call("GET", "/events", params={"after": "0"})
        assert {item["type"] for item in page["events"]} <= {"rooms", "contact", "presence"}


async def test_two_pages_of_two_people_see_each_other_type_and_write(chatting: SigningIn) -> None:
    alice_account, bob_account = chatting.server.accounts("alice", "bob")
    async with (
        person(chatting, alice_account) as alice,
        person(chatting, bob_account) as bob,
    ):
        path = f"/conversations/{bob_account.jid}/typing"
        await alice.call("POST", path, json={"state": "composing"})
        assert (await bob.until("typing"))["jid"] == alice_account.jid
        archive = f"/api/v1/archives/{alice_account.jid}/messages"
        fields = {"to": bob_account.jid, "body": "hello"}
        async with alice.http.post(archive, json=fields) as response:
            assert response.status == 201, await response.text()

        for page, other in ((alice, bob_account), (bob, alice_account)):
            event = await page.until("message")
            assert (event["jid"], event["message"]["body"]) == (other.jid, "hello")


async def test_profile_set_over_http_is_what_xmpp_clients_see(chatting: SigningIn) -> None:
    alice_account, bob_account = chatting.server.accounts("alice", "bob")
    file = BytesIO()
    Image.effect_noise((300, 300), 50).save(file, "JPEG")
    async with (
        person(chatting, alice_account) as alice,
        chatting.server.client(bob_account) as bob,
    ):
        await bob.be_available()
        await alice.call("PATCH", "/profile", json={"name": "Alice Liddell"})
        avatar = (await alice.call("PUT", "/profile/avatar", data=file.getvalue()))["avatar"]

        card = await bob.ask("get", "<vCard xmlns='vcard-temp'/>", to=alice_account.jid)
        texts = {element.tag.rpartition("}")[2]: element.text for element in card.iter()}
        assert texts["FN"] == "Alice Liddell"
        assert sha1(b64decode(texts["BINVAL"] or "")).hexdigest() == avatar  # noqa: S324

        # A client of bob changes the vCard of bob, and alice sees it.
        await bob.ask("set", "<vCard xmlns='vcard-temp'><FN>Bob</FN></vCard>")
        profile = await alice.call("GET", f"/users/{bob_account.jid}")
        assert profile == {"jid": bob_account.jid, "name": "Bob", "avatar": None}

    async with (
        person(chatting, bob_account) as other,
        other.http.get(f"{CHAT}/users/{alice_account.jid}/avatar") as response,
    ):
        assert response.status == 200, await response.text()
        assert Image.open(BytesIO(await response.read())).size == (192, 192)


async def test_file_is_uploaded_and_shared(chatting: SigningIn) -> None:
    alice_account, bob_account = chatting.server.accounts("alice", "bob")
    content = b"a cat"
    ejabberd = chatting.server.ejabberd
    async with (
        person(chatting, alice_account) as alice,
        chatting.server.client(bob_account) as bob,
    ):
        await bob.be_available()
        file = {"name": "cat.txt", "size": len(content), "type": "text/plain"}
        slot = await alice.call("POST", "/uploads", json=file)
        put, get = URL(slot["put"]), URL(slot["get"])
        headers = {**slot["headers"], "Host": str(put.host), "Content-Type": "text/plain"}
        local = f"http://{LOOPBACK}:{ejabberd.ports.http}"
        async with ClientSession(local) as http:
            async with http.put(put.path, data=content, headers=headers) as response:
                assert response.status == 201, await response.text()
            async with http.get(get.path, headers={"Host": str(get.host)}) as response:
                assert await response.read() == content
        archive = f"/api/v1/archives/{alice_account.jid}/messages"
        shared = {"url": slot["get"], **file}
        async with alice.http.post(archive, json={"to": bob_account.jid, "file": shared}) as sent:
            assert sent.status == 201, await sent.text()
            assert (await sent.json())["file"] == shared
        stanza = await bob.wait_for_body(slot["get"])

        assert stanza.findtext("{jabber:x:oob}x/{jabber:x:oob}url") == slot["get"]


async def test_member_who_is_in_no_room_follows_it_live(chatting: SigningIn) -> None:
    alice_account, bob_account = chatting.server.accounts("alice", "bob")
    async with (
        person(chatting, alice_account) as alice,
        person(chatting, bob_account) as bob,
    ):
        fields = {"name": "Garden", "members": [bob_account.jid]}
        room = (await alice.call("POST", "/rooms", json=fields))["jid"]
        event = await bob.until("rooms")
        assert [item["jid"] for item in event["rooms"]] == [room]

        path = f"/conversations/{room}"
        await alice.call("POST", f"{path}/typing", json={"state": "composing"})
        event = await bob.until("typing")
        assert (event["jid"], event["typing"]["author"]) == (room, alice_account.jid)

        sent = await alice.call("POST", f"{path}/messages", json={"body": "hello"})
        event = await bob.until("message")
        assert (event["jid"], event["message"]["id"]) == (room, sent["id"])
        assert event["message"]["author"] == alice_account.jid
        assert event["conversation"]["unread"] == 1

        reaction = {"reacts_to": sent["id"], "reactions": ["👍"]}
        await bob.call("POST", f"{path}/messages", json=reaction)
        while (event := await alice.until("message"))["about"] is None:
            assert event["message"]["id"] == sent["id"]
        assert event["about"] == sent["id"]
        assert list(event["target"]["reactions"]) == ["👍"]

        await alice.call("DELETE", f"/rooms/{room}/members/{bob_account.jid}")
        assert (await bob.until("rooms"))["rooms"] == []


@pytest.mark.parametrize("removes_by_http", [True, False], ids=["http", "xmpp"])
async def test_removed_member_gets_what_was_said_before_and_nothing_live_from_then_on(
    chatting: SigningIn, removes_by_http: bool
) -> None:
    server = chatting.server
    alice_account, bob_account = server.accounts("alice", "bob")
    async with (
        person(chatting, alice_account) as alice,
        person(chatting, bob_account) as bob,
        server.client(alice_account) as laptop,
        stream(bob.http, f"{CHAT}/events/stream", names=NAMES) as streamed,
    ):
        fields = {"name": "Garden", "members": [bob_account.jid]}
        room = (await alice.call("POST", "/rooms", json=fields))["jid"]
        cursor = (await bob.call("GET", "/events"))["cursor"]
        path = f"/conversations/{room}/messages"
        await alice.call("POST", path, json={"body": "before"})
        if removes_by_http:
            await alice.call("DELETE", f"/rooms/{room}/members/{bob_account.jid}")
        else:
            removal = f"<item affiliation='none' jid='{bob_account.jid}'/>"
            await laptop.ask("set", f"<query xmlns='{NS_ADMIN}'>{removal}</query>", to=room)
        while (await bob.until("rooms"))["rooms"]:
            pass

        # What is said to Bob himself comes after all that the room would have sent to him.
        await alice.call("POST", path, json={"body": "a secret"})
        await alice.call("POST", f"/conversations/{room}/typing", json={"state": "composing"})
        direct = f"/conversations/{bob_account.jid}/messages"
        await alice.call("POST", direct, json={"body": "to Bob alone"})

        while "to Bob alone" not in said(bob.seen):
            await bob.until("message")
        at_stream: list[dict[str, Any]] = []
        while "to Bob alone" not in said(at_stream):
            at_stream.append(await streamed.next())
        for events in (bob.seen, at_stream):
            assert said(events) == ["before", "to Bob alone"]
            removed_at = max(n for n, event in enumerate(events) if event["type"] == "rooms")
            assert room not in [event["jid"] for event in events[removed_at + 1 :]]

        # Who comes back with an older cursor reads what was said before, and no more.
        paged: list[dict[str, Any]] = []
        async with asyncio.timeout(SECONDS):
            while "to Bob alone" not in said(paged):
                page = await bob.call("GET", "/events", params={"after": cursor})
                paged, cursor = [*paged, *page["events"]], page["cursor"]
        assert said(paged) == ["before", "to Bob alone"]
        for refused in (f"{CHAT}{path}", f"{CHAT}/rooms/{room}"):
            async with bob.http.get(refused) as response:
                assert response.status == 404


def said(events: list[dict[str, Any]]) -> list[str]:
    """Return the texts in events of messages, but for the invitation that the server writes."""
    texts = [event["message"]["body"] for event in events if event["type"] == "message"]
    return [text for text in texts if text is not None and "invites you to" not in text]
