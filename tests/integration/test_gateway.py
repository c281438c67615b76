"""A program that was written for REST-XMPP-Client, with a real ejabberd behind the gateway.

It knows its base URL, and the examples of the README of REST-XMPP-Client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from support.ejabberd import Account
from support.raw import Client
from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server

# Below the gateway are the sessions of test_sending.py, which has two releases.
pytestmark = pytest.mark.newest_ejabberd

ROSTER = "jabber:iq:roster"
RECEIVED = "{urn:xmpp:receipts}received"
ASKS = "<request xmlns='urn:xmpp:receipts'/>"

#: Seconds until something that a real server does is visible.
SOON = 20.0


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    folder = tmp_path_factory.mktemp("gateway")
    # The README has the routes that change by GET.
    with sign_in_server(folder, release, gateway={"changes_by_get": True}) as signing_in:
        yield signing_in


@pytest.fixture(scope="module")
def without_tokens(
    tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[SigningIn]:
    """An ejabberd that takes passwords alone."""
    folder = tmp_path_factory.mktemp("gateway-passwords")
    with sign_in_server(folder, release, accepts_tokens=False, gateway={}) as signing_in:
        yield signing_in


@dataclass
class OldProgram:
    """The program of one user."""

    base_url: str
    account: Account
    session_id: str = ""
    token: str = ""

    async def request(
        self, method: str, path: str, *, authorized: bool = True, **options: Any
    ) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if authorized else {}
        # The server may have been restarted between two requests.
        async with ClientSession(
            connector=TCPConnector(force_close=True), timeout=ClientTimeout(60)
        ) as http:
            response = await http.request(method, self.base_url + path, headers=headers, **options)
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def start(self, **parameters: str) -> dict[str, str]:
        """POST /start-session."""
        form = {
            "jid": self.account.jid,
            "password": self.account.password,
            "server": self.account.host,
            **parameters,
        }
        status, answer = await self.request("POST", "/start-session", authorized=False, data=form)
        assert status == 200, answer
        session: dict[str, str] = answer["session"]
        self.session_id, self.token = session["session_id"], session["token"]
        return session

    async def call(self, method: str, path: str = "", status: int = 200, **options: Any) -> Any:
        """Return the answer to a request about the session."""
        got, answer = await self.request(method, f"/sessions/{self.session_id}{path}", **options)
        assert got == status, answer
        return answer

    async def get(self, path: str, **query: object) -> Any:
        """Return the answer to a GET."""
        parameters = {name: str(value) for name, value in query.items()}
        return await self.call("GET", path, params=parameters)

    async def contact(self, jid: str, **expected: object) -> dict[str, Any]:
        """Return a contact once it is as expected."""
        async with asyncio.timeout(SOON):
            while True:
                contacts = (await self.get("/contacts"))["contacts"]
                for contact in contacts:
                    if contact["jid"] == jid and expected.items() <= contact.items():
                        return contact  # type: ignore[no-any-return]
                await asyncio.sleep(0.1)

    async def no_contact(self, jid: str) -> None:
        """Return once somebody is no contact."""
        async with asyncio.timeout(SOON):
            while True:
                contacts = (await self.get("/contacts"))["contacts"]
                if jid not in {contact["jid"] for contact in contacts}:
                    return
                await asyncio.sleep(0.1)


async def become_friends(program: OldProgram, client: Client) -> dict[str, Any]:
    """Let the user of a program and that of a client see each other; return the contact."""
    account = client.account
    body = {"contact": {"jid": account.jid, "name": "Bob"}}
    [contact] = (await program.call("POST", "/contacts", json=body))["contacts"]
    assert (contact["jid"], contact["name"], contact["ask"]) == (account.jid, "Bob", "subscribe")
    await client.wait_for(lambda stanza: stanza.get("type") == "subscribe")
    client.send(f"<presence type='subscribed' to='{program.account.jid}'/>")
    client.send(f"<presence type='subscribe' to='{program.account.jid}'/>")
    await program.contact(account.jid, subscription="to", authorization="requested")
    body = {"contact": {"authorization": "granted"}}
    [contact] = (await program.call("PUT", f"/contacts/{contact['id']}", json=body))["contacts"]
    assert contact["authorization"] == "granted"
    return await program.contact(account.jid, subscription="both", show="online")


async def test_program_walks_through_the_readme(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    program = OldProgram(signing_in.url, alice)
    async with server.client(bob) as contact:
        await contact.ask("get", f"<query xmlns='{ROSTER}'/>")
        await contact.be_available()

        # Начало сессии
        session = await program.start(push_token="device")
        assert set(session) == {"session_id", "token", "jid"}
        assert session["jid"] == alice.jid
        assert (await program.request("HEAD", "/", authorized=False))[0] == 200

        # Авторизация запросов
        path = f"/sessions/{program.session_id}"
        assert (await program.request("GET", path, authorized=False))[0] == 401
        assert (await program.call("GET"))["session"]["jid"] == alice.jid

        # Контакты
        friend = await become_friends(program, contact)
        assert await program.get(f"/contacts/{friend['id']}") == {"contact": friend}
        contact.send("<presence><show>away</show><status>At lunch</status></presence>")
        friend = await program.contact(bob.jid, show="away")
        assert friend["status"] == "At lunch"
        body = {"contact": {"name": "Robert"}}
        [friend] = (await program.call("PUT", f"/contacts/{friend['id']}", json=body))["contacts"]
        assert friend["name"] == "Robert"

        # Сообщения
        messages = f"/contacts/{friend['id']}/messages"
        body = {"messages": {"text": "message_text"}}
        [sent] = (await program.call("POST", messages, json=body))["messages"]
        assert (sent["inbound"], sent["text"], sent["delivered"]) == (False, "message_text", False)
        received = await contact.wait_for_body("message_text")
        assert received.get("id") == sent["message_id"]
        receipt = f"<received xmlns='urn:xmpp:receipts' id='{sent['message_id']}'/>"
        place = (await program.get("/feed"))["offset"]
        contact.send(f"<message to='{alice.jid}' type='chat' id='r-1'>{receipt}</message>")
        feed = await program.get("/feed", offset=place, wait="true")
        assert [(item["message_id"], item["delivered"]) for item in feed["messages"]] == [
            (sent["message_id"], True)
        ]

        # Оповещение, Лента
        assert (await program.get("/notification"))["session"]["session_id"]
        poll = asyncio.create_task(program.get("/feed", offset=feed["offset"], wait="1"))
        id = contact.say(alice.jid, "answer", extra=ASKS)
        async with asyncio.timeout(SOON):
            [answer] = (await poll)["messages"]
            await program.get("/notification")
        assert (answer["text"], answer["inbound"]) == ("answer", True)
        assert (answer["message_id"], answer["delivery_receipt_asked"]) == (id, True)
        # Reading it over HTTP acknowledges it.
        stanza = await contact.wait_for(lambda stanza: stanza.find(RECEIVED) is not None)
        acknowledgement = stanza.find(RECEIVED)
        assert acknowledgement is not None
        assert acknowledgement.get("id") == id
        everything = await program.get("/messages")
        assert [item["text"] for item in everything["messages"]] == ["message_text", "answer"]
        assert (await program.get(messages))["messages"] == everything["messages"]
        assert (await program.get("/messages", offset=answer["event_id"]))["messages"] == []

        body = {"contact": {"read_offset": answer["event_id"]}}
        [friend] = (await program.call("PUT", f"/contacts/{friend['id']}", json=body))["contacts"]
        assert friend["read_offset"] >= answer["event_id"]

        # Удаление контакта, завершение сессии
        await program.get(f"/contacts/{friend['id']}/delete")
        await program.no_contact(bob.jid)
        await program.get("/delete")
        assert await program.call("GET", status=404) == {
            "error": {
                "code": "XMPPSessionError",
                "text": f"There is no session with id {program.session_id}",
            }
        }


async def test_readme_authorizes_a_contact_by_get(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    program = OldProgram(signing_in.url, alice)
    await program.start()
    async with server.client(bob) as contact:
        await contact.be_available()
        contact.send(f"<presence type='subscribe' to='{alice.jid}'/>")
        friend = await program.contact(bob.jid, authorization="requested")

        await program.get(f"/contacts/{friend['id']}/authorize")

        await contact.wait_for(lambda stanza: stanza.get("type") == "subscribed")
        await program.contact(bob.jid, authorization="granted", id=friend["id"])


async def test_session_and_ids_are_the_same_after_a_restart(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    program = OldProgram(signing_in.url, alice)
    first = await program.start(client_id="phone")
    async with server.client(bob) as contact:
        await contact.ask("get", f"<query xmlns='{ROSTER}'/>")
        await contact.be_available()
        friend = await become_friends(program, contact)
        contact.say(alice.jid, "before")
        before = await program.get("/feed", offset=friend["event_id"], wait="1")

        server.muniment.restart()

        assert await program.start(client_id="phone") == first
        after = await program.get("/feed")
        assert before["messages"][0] in after["messages"]
        assert (await program.contact(bob.jid))["id"] == friend["id"]
        # ejabberd accepts a new access token, so no password is needed.
        path = f"/contacts/{friend['id']}/messages"
        await program.call("POST", path, json={"messages": {"text": "after"}})
        await contact.wait_for_body("after")


async def test_restart_in_the_middle_of_a_poll_loses_nothing(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    program = OldProgram(signing_in.url, alice)
    await program.start()
    async with server.client(bob) as contact:
        await contact.ask("get", f"<query xmlns='{ROSTER}'/>")
        await contact.be_available()
        await become_friends(program, contact)
        offset = (await program.get("/feed"))["offset"]
        found: list[str] = []

        async def follow() -> None:
            nonlocal offset
            while len(found) < 20:
                try:
                    feed = await program.get("/feed", offset=offset, wait="1")
                except (OSError, AssertionError):
                    await asyncio.sleep(0.2)
                    continue
                found.extend(item["text"] for item in feed["messages"])
                events = feed["messages"] + feed["contacts"]
                offset = max([offset, *(item["event_id"] for item in events)])

        following = asyncio.create_task(follow())
        for number in range(10):
            contact.say(alice.jid, str(number))
        await contact.settled()
        await asyncio.to_thread(server.muniment.restart)
        for number in range(10, 20):
            contact.say(alice.jid, str(number))
        async with asyncio.timeout(60.0):
            await following

    assert found == [str(number) for number in range(20)]


async def test_contact_that_left_while_nobody_was_connected_is_offline(
    signing_in: SigningIn,
) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    program = OldProgram(signing_in.url, alice)
    await program.start()
    async with server.client(bob) as contact:
        await contact.ask("get", f"<query xmlns='{ROSTER}'/>")
        await contact.be_available()
        await become_friends(program, contact)
        # The program, and with it the user, are gone.
        await asyncio.to_thread(server.muniment.stop)
    await asyncio.to_thread(server.muniment.start)

    await program.contact(bob.jid, show="offline")

    async with server.client(bob) as contact:
        await contact.be_available()
        await program.contact(bob.jid, show="online")


async def test_two_devices_poll_without_disturbing_each_other(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    devices = [OldProgram(signing_in.url, alice) for _ in range(2)]
    for number, device in enumerate(devices):
        await device.start(client_id=f"device {number}")
    async with server.client(bob) as contact:
        await contact.ask("get", f"<query xmlns='{ROSTER}'/>")
        await contact.be_available()
        await become_friends(devices[0], contact)
        place = (await devices[0].get("/feed"))["offset"]
        for device in devices:
            await device.get("/notification")
        waiting = [asyncio.create_task(device.get("/notification")) for device in devices]
        polls = [
            asyncio.create_task(device.get("/feed", offset=place, wait="1")) for device in devices
        ]

        contact.say(alice.jid, "to both", extra=ASKS)

        async with asyncio.timeout(SOON):
            feeds = await asyncio.gather(*polls)
            await asyncio.gather(*waiting)
        # The receipt that the first one causes may be in the offset of the second one.
        for key in ("contacts", "messages", "more"):
            assert feeds[0][key] == feeds[1][key]
        assert [item["text"] for item in feeds[0]["messages"]] == ["to both"]
        # What one device sends, the other one sees.
        friend = await devices[1].contact(bob.jid)
        path = f"/contacts/{friend['id']}/messages"
        [sent] = (
            await devices[0].call("POST", path, json={"messages": {"text": "from the first"}})
        )["messages"]
        assert (await devices[1].get("/messages"))["messages"][-1] == sent
        await contact.wait_for_body("from the first")
        # Both have read the message, and one receipt was sent.
        receipts = [stanza for stanza in contact.received if stanza.find(RECEIVED) is not None]
        assert len(receipts) == 1
        await devices[0].call("DELETE")
        assert (await devices[1].call("GET"))["session"]["jid"] == alice.jid


async def test_message_that_nobody_gets_is_an_error(signing_in: SigningIn) -> None:
    server = signing_in.server
    [alice] = server.accounts("alice")
    program = OldProgram(signing_in.url, alice)
    await program.start()
    body = {"contact": {"jid": f"nobody@{alice.host}"}}
    [contact] = (await program.call("POST", "/contacts", json=body))["contacts"]

    path = f"/contacts/{contact['id']}/messages"
    answer = await program.call("POST", path, 404, json={"messages": {"text": "x"}})

    assert answer["error"]["code"] == "XMPPSendError"
    assert answer["error"]["text"].startswith("Message sending failed: ")


async def test_wrong_password_and_foreign_server_are_refused(signing_in: SigningIn) -> None:
    [alice] = signing_in.server.accounts("alice")
    program = OldProgram(signing_in.url, alice)
    for fields, code in (
        ({"password": "wrong"}, "XMPPUpstreamAuthError"),
        ({"server": "elsewhere.example"}, "XMPPUpstreamConnectionError"),
    ):
        form = {"jid": alice.jid, "password": alice.password, "server": alice.host, **fields}
        status, answer = await program.request(
            "POST", "/start-session", authorized=False, data=form
        )
        assert (status, answer["error"]["code"]) == (502, code)


async def test_without_tokens_a_restart_asks_for_the_password_and_loses_nothing(
    without_tokens: SigningIn,
) -> None:
    server = without_tokens.server
    alice, bob = server.accounts("alice", "bob")
    program = OldProgram(without_tokens.url, alice)
    first = await program.start(client_id="phone")
    async with server.client(bob) as contact:
        await contact.ask("get", f"<query xmlns='{ROSTER}'/>")
        await contact.be_available()
        friend = await become_friends(program, contact)
        path = f"/contacts/{friend['id']}/messages"
        await program.call("POST", path, json={"messages": {"text": "before"}})

        server.muniment.restart()

        assert [item["text"] for item in (await program.get("/messages"))["messages"]] == [
            "before"
        ]
        body = {"messages": {"text": "after"}}
        answer = await program.call("POST", path, 401, json=body)
        assert answer["error"]["code"] == "XMPPAuthError"
        change = {"contact": {"name": "Robert"}}
        answer = await program.call("PUT", f"/contacts/{friend['id']}", 401, json=change)
        assert answer["error"]["code"] == "XMPPAuthError"
        assert await program.start(client_id="phone") == first
        await program.call("POST", path, json=body)
        await contact.wait_for_body("after")
