"""Messages pass while Muniment is away, and it fetches them from mod_mam when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support import mam
from support.ejabberd import Account
from support.mod_mam import BesideMuniment
from support.muniment import Muniment, Options
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.sign_in_server import token_lines

#: mod_mam differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

DEADLINE = 60.0

#: What clients add. Servers may write it in another way than they have read it.
PAYLOADS = (
    "<origin-id xmlns='urn:xmpp:sid:0' id='o-1'/><request xmlns='urn:xmpp:receipts'/>"
    '<markable xmlns="urn:xmpp:chat-markers:0"/><x b="2&quot;" a=\'1\' xmlns="urn:other"><y/></x>'
    "<p:z xmlns:p='urn:prefix' p:q='&#228;'>&gt;ä</p:z>"
)


@dataclass(frozen=True)
class Beside:
    """Muniment with backfill, beside a mod_mam that archives everything."""

    server: Server
    source: str


@pytest.fixture(scope="module", params=["sql", "mam"])
def beside(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[Beside]:
    folder = tmp_path_factory.mktemp("backfill")
    key = folder / "key.json"
    # ejabberd accepts tokens of Muniment, with which Muniment asks in the name of users.
    changes = {"auth_method: internal": token_lines(key)}
    ejabberd = BesideMuniment(folder / "ejabberd", release, is_multihost=True, changes=changes)
    backfill: dict[str, Any] = {"source": request.param, "retry_seconds": 1.0}
    if request.param == "sql":
        backfill["url"] = f"sqlite:{ejabberd.database}"
    options: Options = {
        "archive": {"room_services": [f"conference.{host}" for host in ejabberd.hosts]},
        "backfill": backfill,
        "tokens": {"key_file": str(key)},
        "sessions": {"port": ejabberd.ports.c2s},
    }
    muniment = Muniment(folder / "muniment", ejabberd, options=options)
    with ejabberd, muniment:
        yield Beside(Server(ejabberd, muniment), request.param)


async def gaps(server: Server) -> list[Any]:
    """Return the gaps of the program."""
    async with (
        session(server.muniment) as http,
        http.post("/api/v1/commands/gaps", json={}) as response,
    ):
        return list((await response.json())["rows"])


async def page(server: Server, owner: str) -> Any:
    """Return the first page of an archive, over HTTP."""
    path = f"/api/v1/archives/{owner}/messages"
    async with session(server.muniment) as http, http.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def wait_until_settled(server: Server) -> Any:
    """Return the last gap when it is filled, or given up."""
    async with asyncio.timeout(DEADLINE):
        while True:
            gap = (await gaps(server))[-1]
            if gap["state"] not in ("open", "filling"):
                return gap
            await asyncio.sleep(0.2)


async def wait_until_offline(server: Server, account: Account) -> None:
    """Return when a message waits for a user."""
    async with asyncio.timeout(DEADLINE):
        while True:
            if await asyncio.to_thread(server.ejabberd.offline_messages, account):
                return
            await asyncio.sleep(0.05)


async def away(server: Server) -> None:
    await asyncio.to_thread(server.muniment.stop)


async def back(server: Server) -> None:
    await asyncio.to_thread(server.muniment.start)


async def say(sender: Client, reader: Client, *bodies: str) -> None:
    """Send messages one after the other, until each has arrived."""
    for body in bodies:
        sender.say(reader.account.jid, body, extra=PAYLOADS)
        await reader.wait_for_body(body)


async def test_missed_messages_are_put_in_their_place(beside: Beside) -> None:
    server = beside.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as a, server.client(bob) as b:
        await a.be_available()
        await b.be_available()
        await say(a, b, "before")
        await mam.wait_for_bodies(b, ["before"])
        await away(server)
        await say(a, b, "missed 1")
        await say(b, a, "missed 2")
        await say(a, b, "missed 3", "missed 3")
        await back(server)
        await say(b, a, "after")
        expected = ["before", "missed 1", "missed 2", "missed 3", "missed 3", "after"]

        # Whoever reads need not wait for the filling of all archives.
        read = await mam.everything(a)
        gap = await wait_until_settled(server)
        again = await mam.everything(a)
        other = await mam.everything(b)

    assert [result.body for result in read] == expected
    assert [result.body for result in again] == expected
    assert [result.body for result in other] == expected
    assert [result.id for result in read] == [result.id for result in again]
    stamps = [result.stamp for result in other]
    assert stamps == sorted(stamps)
    assert (await page(server, alice.jid))["messages"][1]["time"] > gap["from"]
    assert gap["messages"] == 8
    assert "filled: 8 messages added" in server.muniment.log


async def test_message_from_the_offline_store_is_there_once(beside: Beside) -> None:
    server = beside.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as a:
        await a.be_available()
        await away(server)
        a.say(bob.jid, "for later")
        await wait_until_offline(server, bob)
        await back(server)
        await wait_until_settled(server)
        async with server.client(bob) as b:
            await b.be_available()
            await b.wait_for_body("for later")
            await say(a, b, "now")
            for client in (a, b):
                await mam.wait_for_bodies(client, ["for later", "now"])


async def test_erased_and_unwanted_messages_do_not_come_back(beside: Beside) -> None:
    server = beside.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as a, server.client(bob) as b:
        await a.be_available()
        await b.be_available()
        lists = f"<always/><never><jid>{alice.jid}</jid></never>"
        await b.ask("set", f"<prefs xmlns='urn:xmpp:mam:2' default='always'>{lists}</prefs>")
        await away(server)
        await say(a, b, "missed")
        await back(server)
        path = f"/api/v1/archives/{alice.jid}"
        async with session(server.muniment) as http, http.delete(path) as response:
            assert response.status in (200, 204), await response.text()
        await wait_until_settled(server)
        await say(b, a, "after")
        await mam.wait_for_bodies(a, ["after"])

        assert [result.body for result in await mam.everything(b)] == []


async def test_missed_messages_of_a_room_are_put_in_its_archive(beside: Beside) -> None:
    server = beside.server
    alice, bob = server.accounts("alice", "bob")
    room = f"{alice.user}@conference.{server.ejabberd.hosts[0]}"
    async with server.client(alice) as a, server.client(bob) as b:
        for client in (a, b):
            await client.be_available()
            await client.join(room, client.account.user)
        for body in ("before", "missed", "after"):
            if body == "missed":
                await away(server)
            if body == "after":
                await back(server)
            a.say(room, body, type="groupchat")
            await b.wait_for_body(body)
        gap = await wait_until_settled(server)
        shown = await page(server, room)

    assert gap["state"] == "filled"
    assert [message["body"] for message in shown["messages"]] == ["before", "missed", "after"]
    assert shown["gaps"] == []
