"""The archive survives restarts, crashes and frozen processes, and refuses wrong settings."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from aiohttp import ClientError
from support import mam
from support.ejabberd import Account
from support.muniment import Muniment
from support.raw import Client
from support.remote_data import incoming, path, read_all, session
from support.server import Server
from support.stanzas import body_of

QUICK_PING = {
    "xmpp": {
        "ping_interval_seconds": 1,
        "ping_timeout_seconds": 1,
        "reconnect_max_seconds": 1,
    }
}
DRAIN_SECONDS = 30
RECONNECT_SECONDS = 30


@pytest.mark.every_ejabberd
async def test_archive_is_available_after_ejabberd_restarts(own_server: Server) -> None:
    alice = await exchange_messages(own_server)

    await asyncio.to_thread(own_server.ejabberd.restart)
    await until_ready(own_server.muniment)

    await exchange_messages(own_server)
    async with own_server.client(alice) as client:
        assert await mam.bodies(client) == ["hello", "hello yourself"]


@pytest.mark.every_ejabberd
@pytest.mark.parametrize("own_server", [QUICK_PING], indirect=True)
async def test_frozen_server_is_noticed_and_reconnected(own_server: Server) -> None:
    """XEP-0199 section 4.2: the connection stays open, so only a ping shows the failure."""
    muniment = own_server.muniment
    own_server.ejabberd.pause()
    await asyncio.to_thread(muniment.wait_until, lambda: not muniment.is_ready(), "notices")
    own_server.ejabberd.resume()
    await until_ready(muniment)

    await exchange_messages(own_server)


@pytest.mark.every_ejabberd
async def test_muniment_started_before_ejabberd_connects_later(own_server: Server) -> None:
    await asyncio.to_thread(own_server.muniment.stop)
    await asyncio.to_thread(own_server.ejabberd.stop)
    own_server.muniment.begin()
    await asyncio.to_thread(
        own_server.muniment.wait_until,
        lambda: "serving HTTP" in own_server.muniment.log,
        "serves HTTP",
    )
    is_ready_alone = own_server.muniment.is_ready()
    await asyncio.to_thread(own_server.ejabberd.start)
    await until_ready(own_server.muniment)

    assert not is_ready_alone
    await exchange_messages(own_server)


async def test_shutdown_under_load_loses_no_delivered_message(
    own_server: Server,
) -> None:
    async with under_load(own_server) as (bob, senders):
        await received(bob, at_least=300)
        delivered = {body_of(stanza) for stanza in bob.received}
        own_server.muniment.terminate()
        start = time.monotonic()
        code = await asyncio.to_thread(own_server.muniment.wait, DRAIN_SECONDS)
        seconds = time.monotonic() - start
        # ejabberd may lose the messages that it holds while no component is connected.
        await received(bob, at_least=len(senders) * MESSAGES)
        await asyncio.to_thread(own_server.muniment.start)
        archived = await mam.bodies(bob)

        assert code == 0
        assert seconds < DRAIN_SECONDS
        assert delivered - {None} <= set(archived)
        assert len(set(archived)) == len(archived)
        for sender in senders:
            bodies = [body for body in archived if body and body.startswith(sender.jid)]
            assert bodies == texts(sender)[: len(bodies)], "nothing is missing in the middle"


async def test_acknowledged_messages_survive_a_crash_under_load(
    own_server: Server,
) -> None:
    carol = own_server.account("carol")
    acknowledged: list[str] = []
    async with under_load(own_server) as (bob, _):
        posting = asyncio.gather(
            *(post_until_it_crashes(own_server, carol, n, acknowledged) for n in range(8))
        )
        async with asyncio.timeout(30):
            while len(acknowledged) < 200:
                await asyncio.wait([posting], timeout=0.02)
        own_server.muniment.kill()
        await posting
        await asyncio.to_thread(own_server.muniment.start)

        stored = [item["body"] for item in await read_all(own_server.muniment, carol)]
        assert set(acknowledged) <= set(stored)
        assert len(set(stored)) == len(stored)
        archived = await mam.bodies(bob)
        assert len(set(archived)) == len(archived)


@pytest.mark.every_ejabberd
async def test_wrong_secret_ends_the_program(server: Server, tmp_path: Path) -> None:
    muniment = Muniment(tmp_path, server.ejabberd, options={"xmpp": {"secret": "wrong"}})
    muniment.begin()
    code = await asyncio.to_thread(muniment.wait)

    assert code == 78
    assert "refuses xmpp.secret" in muniment.log
    assert "Traceback" not in muniment.log


async def test_second_process_on_the_same_archive_exits(server: Server, tmp_path: Path) -> None:
    database = server.muniment.folder / "muniment.db"
    second = Muniment(
        tmp_path, server.ejabberd, options={"storage": {"url": f"sqlite:{database}"}}
    )
    second.begin()
    code = await asyncio.to_thread(second.wait)

    assert code == 1
    assert "another process" in second.log.lower()
    assert "Traceback" not in second.log
    assert server.muniment.is_ready()


#: ejabberd accepts this many messages from a session without shaping it.
MESSAGES = 100


@asynccontextmanager
async def under_load(server: Server) -> AsyncIterator[tuple[Client, list[Client]]]:
    """Have 10 users send 100 messages each to bob, as fast as they can."""
    bob, *accounts = server.accounts("bob", *(f"sender{n}" for n in range(10)))
    async with AsyncExitStack() as stack:
        bob_client = await stack.enter_async_context(server.client(bob))
        await bob_client.be_available()
        senders = [await stack.enter_async_context(server.client(account)) for account in accounts]
        for sender in senders:
            for text in texts(sender):
                sender.say(bob.jid, text)
        yield bob_client, senders


def texts(sender: Client) -> list[str]:
    """Return the texts of a sender, in order."""
    return [f"{sender.jid} {n:03d}" for n in range(MESSAGES)]


async def received(client: Client, *, at_least: int) -> None:
    """Return when a client has received that many messages."""
    count = sum(body_of(stanza) is not None for stanza in client.received)

    def is_enough(stanza: Element) -> bool:
        nonlocal count
        count += body_of(stanza) is not None
        return count >= at_least

    if count < at_least:
        await client.wait_for_next(is_enough, 30)


async def post_until_it_crashes(
    server: Server, owner: Account, worker: int, acknowledged: list[str]
) -> None:
    """Post messages until the server crashes, and record the acknowledged ones."""
    async with session(server.muniment) as http:
        for n in range(100_000):
            body = f"{worker}-{n}"
            message = incoming(owner, body)
            try:
                async with http.post(
                    path(server.muniment, owner),
                    data=json.dumps(message),
                    headers={"Content-Type": "application/json"},
                ) as response:
                    if response.status == 200:
                        acknowledged.append(body)
            except ClientError:
                return


async def exchange_messages(server: Server) -> Account:
    """Check that two users exchange and archive messages; return the first user."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()
        alice_client.say(bob.jid, "hello")
        await bob_client.wait_for_body("hello")
        bob_client.say(alice.jid, "hello yourself")
        await alice_client.wait_for_body("hello yourself")

        for client in (alice_client, bob_client):
            assert await mam.bodies(client) == ["hello", "hello yourself"]
    return alice


async def until_ready(muniment: Muniment) -> None:
    await asyncio.to_thread(
        muniment.wait_until, muniment.is_ready, "is ready", seconds=RECONNECT_SECONDS
    )
