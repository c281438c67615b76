"""A user follows the own account over HTTP, while real clients change it over XMPP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from support.displaying import item, publication, stanza_id
from support.ejabberd import Account
from support.events import Replica
from support.muniment import Muniment
from support.pool import lent_ejabberd
from support.ports import LOOPBACK, free_port
from support.raw import Client
from support.releases import Release
from support.server import Server
from support.stanzas import Refused

#: Copies, privileges and markers differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

SECONDS = 30.0
ROSTER = "jabber:iq:roster"


@dataclass
class Follower:
    """A program of a user: it polls, and keeps what it knows."""

    http: ClientSession
    jid: str
    replica: Replica

    async def poll(self, wait: int = 50) -> list[dict[str, Any]]:
        """Return the next events."""
        query = {"after": str(self.replica.cursor), "wait": str(wait)}
        path = f"/api/v1/archives/{self.jid}/events"
        async with asyncio.timeout(SECONDS), self.http.get(path, params=query) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
        self.replica.apply(page)
        return page["events"]  # type: ignore[no-any-return]

    async def until(self, type: str) -> dict[str, Any]:
        """Poll until there is an event of a type, and return it."""
        async with asyncio.timeout(SECONDS):
            while True:
                for event in await self.poll():
                    if event["type"] == type:
                        return event

    async def snapshot(self) -> Replica:
        async with self.http.get(f"/api/v1/archives/{self.jid}/snapshot") as response:
            assert response.status == 200, await response.text()
            return Replica.of(await response.json())


@dataclass(frozen=True)
class Following:
    """ejabberd and Muniment with sign-in, and the address of the public listener."""

    server: Server
    url: str

    @asynccontextmanager
    async def follower(self, account: Account) -> AsyncIterator[Follower]:
        """Sign a user in, and begin with a snapshot."""
        async with ClientSession(self.url) as http:
            body = {"jid": account.jid, "password": account.password}
            async with http.post("/api/v1/tokens", json=body) as response:
                assert response.status == 201, await response.text()
                token = (await response.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with ClientSession(self.url, headers=headers) as http:
            follower = Follower(http, account.jid, Replica())
            follower.replica = await follower.snapshot()
            yield follower


@pytest.fixture
def following(tmp_path: Path, release: Release) -> Iterator[Following]:
    folder, public = tmp_path / "muniment", free_port()
    folder.mkdir()
    with lent_ejabberd(tmp_path / "ejabberd", release) as ejabberd:
        options = {
            "tokens": {"key_file": "key.json"},
            "accounts": {"login_address": LOOPBACK, "login_port": ejabberd.ports.c2s},
            "public_http": {"enabled": True, "port": public},
        }
        with Muniment(folder, ejabberd, options=options) as muniment:
            yield Following(Server(ejabberd, muniment), f"http://{LOOPBACK}:{public}")


async def add_contact(client: Client, jid: str, name: str) -> None:
    await client.ask("set", f"<query xmlns='{ROSTER}'><item jid='{jid}' name='{name}'/></query>")


async def subscribe(client: Client, other: Client) -> None:
    """Let both receive the presence of each other."""
    for sender, recipient in ((client, other), (other, client)):
        for type in ("subscribe", "subscribed"):
            sender.send(f"<presence type='{type}' to='{recipient.account.jid}'/>")
            await sender.settled()
            await recipient.settled()
    await client.settled()


async def test_poller_gets_messages_contacts_presences_and_markers_of_other_clients(
    following: Following,
) -> None:
    server = following.server
    alice, bob = server.accounts("alice", "bob")
    async with (
        server.client(bob) as phone,
        server.client(alice) as hers,
        following.follower(bob) as follower,
    ):
        await phone.ask("get", f"<query xmlns='{ROSTER}'/>")
        await phone.be_available()

        hers.say(bob.jid, "hello")
        event = await follower.until("message")
        assert event["message"]["body"] == "hello"
        assert event["conversation"]["unread"] == 1

        await add_contact(phone, alice.jid, "Alice")
        event = await follower.until("contact")
        assert (event["contact"]["jid"], event["contact"]["name"]) == (alice.jid, "Alice")

        await subscribe(phone, hers)
        hers.send("<presence><show>away</show><status>At lunch</status></presence>")
        event = await follower.until("presence")
        assert event["presence"]["jid"] == f"{alice.jid}/phone"
        while event["presence"]["show"] != "away":
            event = await follower.until("presence")
        assert event["presence"]["status"] == "At lunch"

        last = follower.replica.conversations[alice.jid]["last"]["id"]
        marker = publication(item(alice.jid, stanza_id(last, bob.jid)))
        # 23.01 refuses the options of the publication; the message is displayed.
        with suppress(Refused):
            await phone.ask("set", marker)
        event = await follower.until("displayed")
        assert event["displayed"] == {"peer": alice.jid, "id": last}
        assert event["conversation"]["unread"] == 0

        async with server.client(bob, "laptop") as laptop:
            await laptop.ask("get", f"<query xmlns='{ROSTER}'/>")
            laptop.say(alice.jid, "from the laptop")
            event = await follower.until("message")
            assert (event["message"]["direction"], event["message"]["body"]) == (
                "send",
                "from the laptop",
            )
        await hers.ask("get", f"<query xmlns='{ROSTER}'/>")
    # The phone is gone, and hears nothing any more.
    assert follower.replica.event_ids == sorted(set(follower.replica.event_ids))


async def test_poller_misses_nothing_over_sigkill_and_gets_nothing_twice(
    following: Following,
) -> None:
    server = following.server
    alice, bob, carol = server.accounts("alice", "bob", "carol")
    async with (
        server.client(bob) as phone,
        server.client(alice) as hers,
        following.follower(bob) as follower,
    ):
        await phone.ask("get", f"<query xmlns='{ROSTER}'/>")
        await phone.be_available()
        await add_contact(phone, alice.jid, "Alice")
        for number in range(10):
            hers.say(bob.jid, f"before {number}")
        await phone.wait_for_body("before 9")

        bodies: list[str] = []

        async def follow() -> None:
            while True:
                try:
                    events = await follower.poll(wait=5)
                except ClientError:
                    await asyncio.sleep(0.1)
                    continue
                bodies.extend(event["message"]["body"] for event in events if event["message"])

        task = asyncio.create_task(follow())
        await reached(lambda: len(bodies) == 10)
        await asyncio.to_thread(server.muniment.kill)
        # Muniment gets no push of it, but compares the roster.
        await add_contact(phone, carol.jid, "Carol")
        await asyncio.to_thread(server.muniment.start)
        for number in range(10):
            hers.say(bob.jid, f"after {number}")
        await reached(lambda: len(bodies) >= 20)
        await reached(lambda: carol.jid in follower.replica.contacts)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        expected = [f"{when} {number}" for when in ("before", "after") for number in range(10)]
        assert bodies == expected
        assert follower.replica.event_ids == sorted(set(follower.replica.event_ids))
        assert follower.replica.state == (await follower.snapshot()).state


async def reached(condition: Any) -> None:
    """Return once a condition is true."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.05)
