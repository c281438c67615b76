"""Two processes of Muniment on one PostgreSQL, beside a real ejabberd."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from support import mam
from support.ejabberd import Account
from support.mam_payloads import archive_query
from support.muniment import Muniment
from support.postgres import Postgres
from support.processes import Processes
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.stanzas import Refused
from support.stores import StoreServer

#: The longest wait of a test that fails, on a loaded machine.
DEADLINE = 60.0

#: For how long PostgreSQL hangs, and by when a query is refused then: a process notices after five
#: seconds, and loses its lease after eight.
HANG_SECONDS, REFUSAL_SECONDS = 12.0, 10.0


@pytest.fixture(scope="module")
def processes(
    tmp_path_factory: pytest.TempPathFactory, release: Release, store_server: StoreServer
) -> Iterator[Processes]:
    """Two processes and an ejabberd, which the tests of this module share."""
    folder = tmp_path_factory.mktemp("processes")
    with Processes.running(folder, release, store_server.empty()) as running:
        yield running


async def answered(client: Client, expected: Callable[[list[str | None]], bool]) -> None:
    """Return when a client is answered as expected; whoever has the queries may have changed."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with suppress(Refused, TimeoutError):
                if expected([*await mam.bodies(client)]):
                    return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def stream_of(muniment: Muniment, owner: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        session(muniment) as http,
        http.get(f"/api/v1/archives/{owner}/stream", params={"after": "start"}) as response,
    ):
        assert response.status == 200
        yield response


async def erase(http: aiohttp.ClientSession, account: Account) -> int:
    """Erase an archive over HTTP, and return the status of the answer."""
    async with http.delete(f"/api/v1/archives/{account.jid}") as response:
        return response.status


async def read(response: aiohttp.ClientResponse, count: int) -> list[str]:
    """Return the texts of the next messages of a stream."""
    bodies: list[str] = []
    async with asyncio.timeout(DEADLINE):
        while len(bodies) < count:
            line = (await response.content.readline()).decode()
            if line.startswith("data:"):
                bodies.append(json.loads(line[5:])["body"])
    return bodies


async def send(sender: Client, recipient: Client, sent: list[str], count: int) -> None:
    """Send messages one after the other, and add their texts to `sent`."""
    for _ in range(count):
        body = f"message {len(sent)}"
        sent.append(body)
        sender.say(recipient.account.jid, body)
        await recipient.wait_for_body(body, seconds=DEADLINE)


@pytest.mark.timeout(180)
async def test_process_that_starts_writes_after_the_one_that_is_late(
    processes: Processes,
) -> None:
    first, second = processes.muniments
    alice, bob = processes.accounts("alice", "bob")
    sent: list[str] = []
    assert await asyncio.to_thread(second.stop) == 0
    before = len(second.log)
    async with processes.client(alice) as a, processes.client(bob) as b:
        await a.be_available()
        await b.be_available()
        async with stream_of(first, bob.jid) as stream:
            await send(a, b, sent, 3)
            assert await read(stream, 3) == sent
            first.pause()
            try:
                await send(a, b, sent, 20)
                await asyncio.to_thread(second.start)
                await send(a, b, sent, 20)
            finally:
                first.resume()
            assert await read(stream, 40) == sent[3:]
        for client in (a, b):
            await answered(client, lambda bodies: bodies[-1:] == sent[-1:])
            assert await mam.bodies(client) == sent
    assert "out of order" not in second.log[before:]


@pytest.mark.timeout(180)
async def test_process_that_starts_waits_only_a_moment_for_one_that_hangs(
    processes: Processes,
) -> None:
    first, second = processes.muniments
    alice, bob = processes.accounts("alice", "bob")
    sent: list[str] = []
    assert await asyncio.to_thread(second.stop) == 0
    before = len(second.log)
    async with processes.client(alice) as a, processes.client(bob) as b:
        await a.be_available()
        await b.be_available()
        await send(a, b, sent, 3)
        # Within a transaction it would hold up the other one for longer.
        await answered(b, lambda bodies: bodies[-3:] == sent)
        first.pause()
        try:
            await send(a, b, sent, 3)
            await asyncio.to_thread(second.start)
            await send(a, b, sent, 3)
            async with stream_of(second, bob.jid) as stream:
                while sent[-1] not in await read(stream, 1):
                    pass
        finally:
            first.resume()
        for client in (a, b):
            await answered(client, lambda bodies: len(bodies) >= len(sent))
            assert sorted(await mam.bodies(client)) == sorted(sent)
    assert "out of order" in second.log[before:]


@pytest.mark.timeout(180)
async def test_each_message_is_stored_once_while_processes_are_killed_stopped_and_started(
    processes: Processes,
) -> None:
    first, second = processes.muniments
    alice, bob = processes.accounts("alice", "bob")
    sent: list[str] = []
    is_over = asyncio.Event()

    async def send(sender: Client, recipient: Client) -> None:
        while not is_over.is_set():
            body = f"message {len(sent)}"
            sent.append(body)
            sender.say(recipient.account.jid, body)
            await recipient.wait_for_body(body, seconds=DEADLINE)

    async with processes.client(alice) as a, processes.client(bob) as b:
        await a.be_available()
        await b.be_available()
        async with stream_of(second, bob.jid) as stream:
            sending = asyncio.create_task(send(a, b))
            await read(stream, 20)
            await asyncio.to_thread(first.kill)
            await read(stream, 20)
            # It had the queries, and the other one answers them now.
            await answered(b, lambda bodies: len(bodies) > 40)
            await asyncio.to_thread(first.start)
        async with stream_of(first, bob.jid) as stream:
            await read(stream, 20)
            await answered(a, lambda bodies: len(bodies) > 60)
            # It has the queries now, and hands them over.
            assert await asyncio.to_thread(second.stop) == 0
            await answered(a, lambda bodies: len(bodies) > 60)
            await asyncio.to_thread(second.start)
            is_over.set()
            await sending
        for client in (a, b):
            await answered(client, lambda bodies: bodies[-1:] == sent[-1:])
            assert await mam.bodies(client) == sent
        for muniment in processes.muniments:
            async with stream_of(muniment, bob.jid) as stream:
                assert await read(stream, len(sent)) == sent


@pytest.mark.timeout(180)
async def test_queries_are_refused_within_seconds_while_postgresql_hangs(
    processes: Processes, store_server: StoreServer
) -> None:
    [alice] = processes.accounts("alice")
    refused: set[str] = set()
    async with processes.client(alice) as a:
        await answered(a, lambda bodies: bodies == [])
        await asyncio.to_thread(store_server.server.pause)
        try:
            end = time.monotonic() + HANG_SECONDS
            while time.monotonic() < end:
                with pytest.raises(Refused) as caught:
                    await a.ask("set", archive_query(max=1), seconds=REFUSAL_SECONDS)
                refused.add(str(caught.value))
                await asyncio.sleep(0.05)
        finally:
            store_server.server.resume()
        await answered(a, lambda bodies: bodies == [])
    # Not service-unavailable: there is an archive.
    assert refused == {"wait resource-constraint"}


async def test_hold_and_preferences_of_one_process_are_in_force_in_the_other(
    processes: Processes,
) -> None:
    first, second = processes.muniments
    alice, bob = processes.accounts("alice", "bob")
    async with processes.client(alice) as a, processes.client(bob) as b:
        await a.be_available()
        await b.be_available()
        a.say(bob.jid, "kept")
        await b.wait_for_body("kept")
        await answered(b, lambda bodies: bodies == ["kept"])
        async with session(first) as one, session(second) as other:
            path = f"/api/v1/holds/{bob.jid}"
            async with one.put(path, json={"reason": "a case"}) as response:
                assert response.status < 300
            assert await erase(other, bob) == 409
            assert [*await mam.bodies(b)] == ["kept"]
            async with one.delete(path) as response:
                assert response.status < 300
            async with asyncio.timeout(DEADLINE):
                while await erase(other, bob) == 409:  # noqa: ASYNC110 - a state, not an event
                    await asyncio.sleep(0.05)
        await answered(b, lambda bodies: bodies == [])
        # The process with the queries sets them; the other one hears of it at once.
        await b.ask("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>")
        a.say(bob.jid, "just after")
        await b.wait_for_body("just after")
        await answered(a, lambda bodies: bodies[-1:] == ["just after"])
        a.say(bob.jid, "later")
        await b.wait_for_body("later")
        await answered(a, lambda bodies: bodies[-1:] == ["later"])
        assert "later" not in await mam.bodies(b)


@pytest.fixture
def filling(tmp_path: Path, release: Release, postgres: Postgres) -> Iterator[Processes]:
    """Two processes that fill gaps, with a store of their own."""
    url = postgres.create("gaps")
    with Processes.running(tmp_path, release, url, fills_gaps=True) as running:
        yield running


async def test_gap_of_all_processes_is_filled_once(filling: Processes) -> None:
    alice, bob = filling.accounts("alice", "bob")
    expected = ["before", "missed 1", "missed 2", "after"]
    async with filling.client(alice) as a, filling.client(bob) as b:
        await a.be_available()
        await b.be_available()
        a.say(bob.jid, "before")
        await b.wait_for_body("before")
        await answered(b, lambda bodies: bodies == ["before"])
        for muniment in filling.muniments:
            await asyncio.to_thread(muniment.stop)
        for body in ("missed 1", "missed 2"):
            a.say(bob.jid, body)
            await b.wait_for_body(body)
        for muniment in filling.muniments:
            await asyncio.to_thread(muniment.start)
        a.say(bob.jid, "after")
        for client in (a, b):
            await answered(client, lambda bodies: bodies == expected)
        for muniment in filling.muniments:
            gap = await settled_gap(muniment)
            assert (gap["state"], gap["messages"]) == ("filled", 4)
        for client in (a, b):
            assert await mam.bodies(client) == expected


async def settled_gap(muniment: Muniment) -> dict[str, object]:
    """Return the only gap when it is filled, or given up."""
    async with session(muniment) as http, asyncio.timeout(DEADLINE):
        while True:
            async with http.post("/api/v1/commands/gaps", json={}) as response:
                [gap] = (await response.json())["rows"]
            if gap["state"] not in ("open", "filling"):
                return dict(gap)
            await asyncio.sleep(0.2)
