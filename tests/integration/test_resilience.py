"""What happens to the archive when a process ends, freezes, or is not what it should be."""

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
from support.remote_data import path, read_all, session
from support.server import Server
from support.stanzas import body_of

from component.core.xml.times import format_time, now

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

QUICK_PING = {
    "xmpp": {
        "ping_interval_seconds": 1,
        "ping_timeout_seconds": 1,
        "reconnect_max_seconds": 1,
    }
}
DRAIN_SECONDS = 5
RECONNECT_SECONDS = 30


async def test_archive_is_available_after_ejabberd_restarts(own_server: Server) -> None:
    before = await exchange_messages(own_server)

    await asyncio.to_thread(own_server.ejabberd.restart)
    await until_ready(own_server.muniment)

    await exchange_messages(own_server)
    async with own_server.client(before) as client:
        assert await mam.bodies(client) == ["hello", "hello yourself"]


@pytest.mark.parametrize("own_server", [QUICK_PING], indirect=True)
async def test_frozen_server_is_noticed_and_reconnected(own_server: Server) -> None:
    """XEP-0199 section 4.2: the connection stays open, so only a ping can tell."""
    muniment = own_server.muniment
    own_server.ejabberd.pause()
    await asyncio.to_thread(
        muniment.wait_until, lambda: not muniment.is_ready(), "notices", seconds=10
    )
    own_server.ejabberd.resume()
    await until_ready(muniment)

    await exchange_messages(own_server)


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
        handed_over = {body_of(stanza) for stanza in bob.received}
        own_server.muniment.terminate()
        begun = time.monotonic()
        code = await asyncio.to_thread(own_server.muniment.wait, DRAIN_SECONDS + 5)
        took = time.monotonic() - begun
        # Only what ejabberd has when nobody takes it is lost.
        await received(bob, at_least=len(senders) * EACH)
        await asyncio.to_thread(own_server.muniment.start)
        archived = await mam.bodies(bob)

        assert code == 0
        assert took < DRAIN_SECONDS
        assert handed_over - {None} <= set(archived)
        assert len(set(archived)) == len(archived)
        for sender in senders:
            kept = [body for body in archived if body and body.startswith(sender.jid)]
            assert kept == texts(sender)[: len(kept)], "nothing is missing in the middle"


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

        found = [item["body"] for item in await read_all(own_server.muniment, carol)]
        assert set(acknowledged) <= set(found)
        assert len(set(found)) == len(found)
        archived = await mam.bodies(bob)
        assert len(set(archived)) == len(archived)


async def test_wrong_secret_ends_the_program(server: Server, tmp_path: Path) -> None:
    wrong = Muniment(tmp_path, server.ejabberd, options={"xmpp": {"secret": "wrong"}})
    wrong.begin()
    code = await asyncio.to_thread(wrong.wait)

    assert code == 78
    assert "refuses xmpp.secret" in wrong.log
    assert "Traceback" not in wrong.log


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


#: As much as ejabberd takes from one session without slowing it down.
EACH = 100


@asynccontextmanager
async def under_load(server: Server) -> AsyncIterator[tuple[Client, list[Client]]]:
    """Have ten users send a hundred messages each to one, as fast as they can."""
    bob, *others = server.accounts("bob", *(f"sender{n}" for n in range(10)))
    async with AsyncExitStack() as stack:
        his = await stack.enter_async_context(server.client(bob))
        await his.be_available()
        senders = [await stack.enter_async_context(server.client(other)) for other in others]
        for sender in senders:
            for text in texts(sender):
                sender.say(bob.jid, text)
        yield his, senders


def texts(sender: Client) -> list[str]:
    """Return what a sender says, in order."""
    return [f"{sender.jid} {n:03d}" for n in range(EACH)]


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
    """Post messages, and note those that were taken."""
    async with session(server.muniment) as http:
        for n in range(100_000):
            body = f"{worker}-{n}"
            message = {
                "username": owner.user,
                "peer": "peer",
                "direction": "recv",
                "body": body,
                "timestamp": format_time(now()),
            }
            try:
                async with http.post(
                    path(server.muniment, owner),
                    data=json.dumps(message),
                    headers={"Content-Type": "application/json"},
                ) as answer:
                    if answer.status == 200:
                        acknowledged.append(body)
            except ClientError:
                return


async def exchange_messages(server: Server) -> Account:
    """Check that users can talk and find it in their archives; return one of them."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, server.client(bob) as his:
        await hers.be_available()
        await his.be_available()
        hers.say(bob.jid, "hello")
        await his.wait_for_body("hello")
        his.say(alice.jid, "hello yourself")
        await hers.wait_for_body("hello yourself")

        for client in (hers, his):
            assert await mam.bodies(client) == ["hello", "hello yourself"]
    return alice


async def until_ready(muniment: Muniment) -> None:
    await asyncio.to_thread(
        muniment.wait_until, muniment.is_ready, "is ready", seconds=RECONNECT_SECONDS
    )
