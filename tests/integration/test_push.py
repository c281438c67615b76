"""Events of real clients reach browsers and webhooks, over failures and restarts of Muniment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from support.ejabberd import Account
from support.muniment import Muniment
from support.pool import lent_ejabberd
from support.ports import LOOPBACK, free_port
from support.push import (
    CONTACT,
    Browser,
    Receiver,
    has_right_signature,
    receiving,
    vapid_claims,
)
from support.releases import Release
from support.server import Server

# What is pushed are the events of test_events.py, which has all releases.
pytestmark = pytest.mark.newest_ejabberd

PATH = "/api/v1/push-subscriptions"
SECONDS = 30.0


@dataclass(frozen=True)
class Pushing:
    """ejabberd and Muniment with push, and the address of the public listener."""

    server: Server
    url: str

    @asynccontextmanager
    async def user(self, account: Account) -> AsyncIterator[ClientSession]:
        """Sign a user in."""
        async with ClientSession(self.url) as http:
            body = {"jid": account.jid, "password": account.password}
            async with http.post("/api/v1/tokens", json=body) as response:
                assert response.status == 201, await response.text()
                token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        # Muniment may be restarted between two requests.
        connector = TCPConnector(force_close=True)
        async with ClientSession(self.url, headers=headers, connector=connector) as http:
            yield http


@pytest.fixture
def push(tmp_path: Path, release: Release) -> Iterator[Pushing]:
    folder, public = tmp_path / "muniment", free_port()
    folder.mkdir()
    with lent_ejabberd(tmp_path / "ejabberd", release) as ejabberd:
        options: dict[str, dict[str, Any]] = {
            "tokens": {"key_file": "key.json"},
            "accounts": {"login_address": LOOPBACK, "login_port": ejabberd.ports.c2s},
            "public_http": {"enabled": True, "port": public},
            "push": {
                "key_file": "push-key.pem",
                "contact": CONTACT,
                "attempts": 3,
                "retry_seconds": 0.1,
                "retry_max_seconds": 0.2,
                "allow_http": True,
                "allowed_networks": [f"{LOOPBACK}/32"],
            },
            "log": {"level": "debug"},
        }
        with Muniment(folder, ejabberd, options=options) as muniment:
            yield Pushing(Server(ejabberd, muniment), f"http://{LOOPBACK}:{public}")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def ask(
    http: ClientSession, method: str, path: str = "", status: int = 200, **fields: Any
) -> dict[str, Any]:
    options = {"json": fields} if fields else {}
    async with http.request(method, f"{PATH}{path}", **options) as response:
        assert response.status == status, await response.text()
        return await response.json()  # type: ignore[no-any-return]


@pytest.mark.every_ejabberd
async def test_message_is_pushed_to_a_browser_and_to_a_webhook(
    push: Pushing, receiver: Receiver
) -> None:
    server = push.server
    alice, bob = server.accounts("alice", "bob")
    browser = Browser(f"{receiver.url}/browser/a-secret-path")
    async with server.client(alice) as hers, push.user(bob) as http:
        await ask(http, "POST", "", 201, **browser.subscription, content="text")
        hook = await ask(
            http, "POST", "", 201, url=f"{receiver.url}/hook/a-secret-path", content="sender"
        )
        async with http.get("/api/v1/push-key") as response:
            key = (await response.json())["key"]

        hers.say(bob.jid, "a secret text")
        [pushed] = await receiver.wait_for(1, "/browser/a-secret-path")
        [hooked] = await receiver.wait_for(1, "/hook/a-secret-path")

    event = browser.decrypt(pushed)
    assert event["data"]["message"]["body"] == "a secret text"
    assert (event["data"]["peer"], event["data"]["unread"]) == (alice.jid, 1)
    assert vapid_claims(pushed, key)["aud"] == receiver.url
    assert has_right_signature(hooked, hook["secret"])
    assert hooked.json["data"]["peer"] == alice.jid
    assert b"secret text" not in hooked.body
    secrets = ("a-secret-path", "a secret text", hook["secret"], browser.keys["auth"])
    assert not [text for text in secrets if text in server.muniment.log]


async def test_receiver_that_was_down_gets_its_dead_letters_by_a_replay(
    push: Pushing, receiver: Receiver
) -> None:
    server = push.server
    alice, bob = server.accounts("alice", "bob")
    port = free_port()
    async with server.client(alice) as hers, push.user(bob) as http:
        hook = await ask(
            http,
            "POST",
            "",
            201,
            url=f"http://{LOOPBACK}:{port}/",
            content="text",
            events=["message"],
        )
        for number in range(3):
            hers.say(bob.jid, f"lost {number}")
        letters: list[dict[str, Any]] = []
        async with asyncio.timeout(SECONDS):
            while len(letters) < 3:
                await asyncio.sleep(0.1)
                letters = (await ask(http, "GET", f"/{hook['id']}/dead-letters"))["dead_letters"]
        assert [letter["failure"] for letter in letters] == ["no connection"] * 3

        async with receiving(port) as late:
            hers.say(bob.jid, "next")
            await late.wait_for(1)
            answer = await ask(http, "POST", f"/{hook['id']}/dead-letters/replay", 202)
            requests = await late.wait_for(4)

    assert answer == {"replayed": 3}
    assert [request.text for request in requests] == ["next", *(f"lost {n}" for n in range(3))]
    assert all(has_right_signature(request, hook["secret"]) for request in requests)


async def test_receiver_misses_nothing_over_sigkill_of_muniment(
    push: Pushing, receiver: Receiver
) -> None:
    server = push.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, push.user(bob) as http:
        await ask(http, "POST", "", 201, url=receiver.url, content="text", events=["message"])
        for number in range(5):
            hers.say(bob.jid, f"before {number}")
        await receiver.wait_for(5)
        receiver.gates["/"] = asyncio.Event()
        for number in range(5, 20):
            hers.say(bob.jid, f"before {number}")
        await receiver.wait_for(6)
        await archived(http, bob, 20)

        await asyncio.to_thread(server.muniment.kill)
        receiver.gates.pop("/").set()
        await asyncio.to_thread(server.muniment.start)
        for number in range(5):
            hers.say(bob.jid, f"after {number}")
        texts: list[str | None] = []
        async with asyncio.timeout(SECONDS):
            while "after 4" not in texts:
                await asyncio.sleep(0.05)
                texts = [request.text for request in receiver.requests]

        by_id = {request.headers["webhook-id"]: request.text for request in receiver.requests}
        expected = [*(f"before {n}" for n in range(20)), *(f"after {n}" for n in range(5))]
        # An event may come twice, with the same id.
        assert sorted(by_id.values()) == sorted(expected)
        assert list(dict.fromkeys(texts)) == expected


async def archived(http: ClientSession, owner: Account, count: int) -> None:
    """Return once an archive has so many messages."""
    async with asyncio.timeout(SECONDS):
        while True:
            async with http.get(f"/api/v1/archives/{owner.jid}/messages") as response:
                if len((await response.json())["messages"]) == count:
                    return
            await asyncio.sleep(0.05)


async def test_push_ends_with_the_sign_in(push: Pushing, receiver: Receiver) -> None:
    server = push.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, push.user(bob) as http, push.user(bob) as other:
        await ask(http, "POST", "", 201, url=receiver.url, content="text", events=["message"])
        hers.say(bob.jid, "one")
        await receiver.wait_for(1)

        async with http.delete("/api/v1/tokens/current") as response:
            assert response.status == 204
        hers.say(bob.jid, "two")
        await archived(other, bob, 2)
        await asyncio.sleep(0.3)

        assert [request.text for request in receiver.requests] == ["one"]
        assert (await ask(other, "GET"))["subscriptions"] == []
