"""Users act over HTTP as themselves: presence, subscription requests, rooms, late refusals."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from support.ejabberd import Account
from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server
from support.stanzas import CLIENT

SECONDS = 30.0


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    with sign_in_server(tmp_path_factory.mktemp("actions"), release) as signing_in:
        yield signing_in


class User:
    """A user over HTTP, who follows the own account."""

    def __init__(self, http: ClientSession, jid: str) -> None:
        self._http = http
        self._path = f"/api/v1/archives/{jid}"
        self._cursor: str | None = None

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        response = await self._http.request(method, f"{self._path}/{path}", **options)
        return response.status, {} if response.status == 204 else await response.json()

    async def do(self, method: str, path: str, **options: Any) -> None:
        status, answer = await self.call(method, path, **options)
        assert status in (200, 201, 204), answer

    async def snapshot(self) -> dict[str, Any]:
        status, answer = await self.call("GET", "snapshot")
        assert status == 200, answer
        self._cursor = answer["cursor"]
        return answer

    async def until(self, type: str) -> dict[str, Any]:
        """Poll until there is an event of a type, and return its value."""
        async with asyncio.timeout(SECONDS):
            while True:
                query = {"after": str(self._cursor), "wait": "20", "limit": "1"}
                status, page = await self.call("GET", "events", params=query)
                assert status == 200, page
                self._cursor = page["cursor"]
                for event in page["events"]:
                    if event["type"] == type:
                        return event[type]  # type: ignore[no-any-return]


@asynccontextmanager
async def signed_in(signing_in: SigningIn, account: Account) -> AsyncIterator[User]:
    """Sign a user in, and begin with a snapshot."""
    async with signing_in.user(await signing_in.sign_in(account)) as http:
        user = User(http, account.jid)
        await user.snapshot()
        yield user


async def test_request_is_an_event_and_is_approved(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    async with signing_in.server.client(bob) as contact, signed_in(signing_in, alice) as user:
        await contact.be_available()
        contact.send(f"<presence type='subscribe' to='{alice.jid}'><status>Hi</status></presence>")

        request = await user.until("request")
        assert (request["jid"], request["waits"], request["status"]) == (bob.jid, True, "Hi")
        assert [item["jid"] for item in (await user.snapshot())["requests"]] == [bob.jid]

        await user.do("PUT", f"requests/{bob.jid}")
        await contact.wait_for(lambda stanza: stanza.get("type") == "subscribed")
        assert (await user.until("request"))["waits"] is False
        assert (await user.snapshot())["requests"] == []


async def test_request_is_denied(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    async with signing_in.server.client(bob) as contact, signed_in(signing_in, alice) as user:
        await contact.be_available()
        contact.send(f"<presence type='subscribe' to='{alice.jid}'/>")
        await user.until("request")

        await user.do("DELETE", f"requests/{bob.jid}")
        await contact.wait_for(lambda stanza: stanza.get("type") == "unsubscribed")
        assert (await user.until("request"))["waits"] is False


async def test_contact_is_asked_and_its_presence_is_an_event(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    async with signing_in.server.client(bob) as contact, signed_in(signing_in, alice) as user:
        await contact.be_available()
        await user.do("PUT", f"subscriptions/{bob.jid}")
        await contact.wait_for(lambda stanza: stanza.get("type") == "subscribe")
        asked = await user.until("contact")
        assert (asked["jid"], asked["asked"]) == (bob.jid, True)

        contact.send(f"<presence type='subscribed' to='{alice.jid}'/>")
        contact.send("<presence><show>away</show></presence>")
        presence = await user.until("presence")
        assert presence["jid"].startswith(f"{bob.jid}/")

        await user.do("DELETE", f"subscriptions/{bob.jid}")
        await contact.wait_for(lambda stanza: stanza.get("type") == "unsubscribe")


async def test_contacts_see_the_presence_of_the_user(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    async with signing_in.server.client(bob) as contact, signed_in(signing_in, alice) as user:
        await contact.be_available()
        contact.send(f"<presence type='subscribe' to='{alice.jid}'/>")
        await user.until("request")
        await user.do("PUT", f"requests/{bob.jid}")

        await user.do("PUT", "presence", json={"show": "dnd", "status": "In a meeting"})
        await contact.wait_for(
            lambda stanza: (
                stanza.findtext(f"{CLIENT}show") == "dnd"
                and stanza.findtext(f"{CLIENT}status") == "In a meeting"
                and (stanza.get("from") or "").startswith(f"{alice.jid}/")
            )
        )


async def test_room_is_entered_and_left(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    room = f"room-{secrets.token_hex(3)}@conference.{alice.host}"
    async with signing_in.server.client(bob) as owner, signed_in(signing_in, alice) as user:
        status, answer = await user.call("PUT", f"rooms/{room}")
        assert (status, answer["error"]) == (404, "item-not-found")
        await owner.join(room, "bob")

        await user.do("PUT", f"rooms/{room}")
        _, answer = await user.call("GET", "rooms")
        assert answer["rooms"] == [room]
        await owner.wait_for(lambda stanza: stanza.get("from") == f"{room}/{alice.user}")

        await user.do("DELETE", f"rooms/{room}")
        await owner.wait_for(
            lambda stanza: (
                stanza.get("from") == f"{room}/{alice.user}"
                and stanza.get("type") == "unavailable"
            )
        )
        _, answer = await user.call("GET", "rooms")
        assert answer["rooms"] == []


async def test_refusal_after_the_answer_is_an_event(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    async with signing_in.server.client(bob) as contact, signed_in(signing_in, alice) as user:
        await contact.be_available()
        message = {"to": bob.jid, "body": "Hi", "id": "late-1"}
        status, answer = await user.call("POST", "messages", json=message)
        assert status == 201, answer
        received = await contact.wait_for_body("Hi")

        contact.send(
            f"<message to='{received.get('from')}' id='late-1' type='error'><error type='cancel'>"
            "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        failed = await user.until("failed")
        assert failed == {
            "id": "late-1",
            "peer": bob.jid,
            "type": "message",
            "error": "gone",
            "message": None,
        }
