"""A process of Muniment takes over from another one, under load; and gaps where none does."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from support import mam
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.server import Server

#: The longest wait of a test that fails, on a loaded machine.
DEADLINE = 60.0

#: Take-overs under load, and messages that are sent in a second meanwhile.
TAKE_OVERS, RATE = 2, 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """A server whose Muniment the tests of this module share."""
    with Server.running(tmp_path_factory.mktemp("take-over"), release) as running:
        yield running


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """The socket of a service manager, sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path_factory.mktemp("notify") / "socket"))
        listening.settimeout(DEADLINE)
        yield listening


async def command(server: Server, name: str, **fields: Any) -> dict[str, Any]:
    """Run a command over HTTP, and return its result."""
    async with (
        session(server.muniment) as http,
        http.post(f"/api/v1/commands/{name}", json=fields) as response,
    ):
        assert response.status == 200, await response.text()
        result: dict[str, Any] = await response.json()
        return result


async def gaps(server: Server) -> list[Any]:
    """Return the gaps of the program."""
    return list((await command(server, "gaps"))["rows"])


async def send(sender: Client, recipient: Client, sent: list[str], is_over: asyncio.Event) -> None:
    """Send messages with different texts at a steady rate until it is over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not is_over.is_set():
        while len(sent) < (loop.time() - began) * RATE:
            sent.append(f"message {len(sent)}")
            sender.say(recipient.account.jid, sent[-1])
        await asyncio.sleep(0.01)


async def wait_for_count(server: Server, owner: str, count: int) -> None:
    """Return when an archive has that many messages."""
    async with session(server.muniment) as http, asyncio.timeout(DEADLINE):
        while True:
            async with http.get(f"/api/v1/archives/{owner}") as response:
                if (await response.json())["count"] >= count:
                    return
            await asyncio.sleep(0.2)


async def all_bodies(server: Server, owner: str) -> list[str]:
    """Return the texts of all messages of an archive, over HTTP."""
    bodies: list[str] = []
    parameters = {"limit": "250", "xml": "false"}
    async with session(server.muniment) as http:
        while True:
            path = f"/api/v1/archives/{owner}/messages"
            async with http.get(path, params=parameters) as response:
                page = await response.json()
            bodies += [message["body"] for message in page["messages"]]
            assert page["gaps"] == []
            if page["complete"]:
                return bodies
            parameters["after"] = page["messages"][-1]["id"]


@pytest.mark.timeout(240)
async def test_no_message_is_lost_or_stored_twice_while_processes_take_over_under_load(
    server: Server,
) -> None:
    alice, bob = server.accounts("alice", "bob")
    sent: list[str] = []
    is_over = asyncio.Event()
    async with server.client(alice) as a, server.client(bob) as b:
        await a.be_available()
        await b.be_available()
        sending = asyncio.create_task(send(a, b, sent, is_over))
        for _ in range(TAKE_OVERS):
            count = len(sent)
            await asyncio.to_thread(server.muniment.take_over)
            # It is answered at once: delegation and privileges are those of the stream.
            assert (await mam.query(a)).bodies
            assert len(sent) > count
        is_over.set()
        await sending
        await b.wait_for_bodies(sent, seconds=DEADLINE)
        for owner in (alice, bob):
            await wait_for_count(server, owner.jid, len(sent))
            assert await all_bodies(server, owner.jid) == sent
    assert await gaps(server) == []


async def test_killed_process_leaves_a_gap_that_pages_show_until_it_is_filled(
    server: Server, manager: socket.socket
) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as a, server.client(bob) as b:
        await a.be_available()
        await b.be_available()
        a.say(bob.jid, "before")
        await mam.wait_for_bodies(b, ["before"])
        await asyncio.to_thread(server.muniment.kill)
        a.say(bob.jid, "missed")
        await b.wait_for_body("missed")
        # No other process runs, so there is nothing to take over, and the start is a usual one.
        server.muniment.begin("--take-over", environment={"NOTIFY_SOCKET": manager.getsockname()})
        await asyncio.to_thread(
            server.muniment.wait_until, server.muniment.is_ready, "is ready", DEADLINE
        )
        a.say(bob.jid, "after")
        await mam.wait_for_bodies(b, ["before", "after"])
    (gap,) = await gaps(server)
    assert (gap["reason"], gap["state"]) == ("stopped", "missing")
    path = f"/api/v1/archives/{bob.jid}/messages"
    async with session(server.muniment) as http:
        async with http.get(path) as response:
            page = await response.json()
        shown = {key: gap[key] for key in ("from", "to", "reason", "state")}
        assert page["gaps"] == [shown]
        assert gap["from"] < page["messages"][1]["time"]
        await command(server, "fill-gap", number=gap["number"])
        async with http.get(path) as response:
            assert (await response.json())["gaps"] == []
    assert "a gap in all archives" in server.muniment.log


def message(manager: socket.socket) -> str:
    """Return the next message to the service manager that is no status."""
    while (text := manager.recv(200).decode()).startswith("STATUS="):
        pass
    return text


async def test_signal_starts_a_process_that_takes_over_and_tells_the_service_manager(
    server: Server, manager: socket.socket
) -> None:
    """The test before has started the present process, with the address of the manager."""
    muniment = server.muniment
    assert await asyncio.to_thread(message, manager) == "READY=1"
    os.kill(muniment.pid, signal.SIGUSR2)
    state = await asyncio.to_thread(message, manager)
    pid = int(state.removeprefix("MAINPID="))
    try:
        assert pid != muniment.pid
        assert await asyncio.to_thread(muniment.wait, DEADLINE) == 0
        assert await asyncio.to_thread(message, manager) == "READY=1"
        assert muniment.is_ready()
    finally:
        os.kill(pid, signal.SIGTERM)
    async with asyncio.timeout(DEADLINE):
        with suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.05)
