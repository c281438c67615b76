"""The archive in PostgreSQL, beside a real ejabberd."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import mam
from support.postgres import Postgres
from support.remote_data import read_all, session
from support.server import Server
from support.stores import StoreServer

# The store is the same beside every release.
pytestmark = pytest.mark.newest_ejabberd


@pytest.fixture
def postgres_server(
    tmp_path: Path, release: object, postgres_url: str, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """ejabberd and Muniment with an empty store in PostgreSQL."""
    options = {"storage": {"url": postgres_url, "spill": str(tmp_path / "spill")}}
    with Server.running(tmp_path, release, options) as server:
        yield server


async def test_archive_is_read_by_mam_and_http(postgres_server: Server) -> None:
    server = postgres_server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()
        for n in range(5):
            alice_client.say(bob.jid, f"ping {n}")
            await bob_client.wait_for_body(f"ping {n}")
        await asyncio.to_thread(server.muniment.restart)
        bob_client.say(alice.jid, "pong")
        await alice_client.wait_for_body("pong")

        bodies = [*(f"ping {n}" for n in range(5)), "pong"]
        assert await mam.bodies(alice_client) == bodies
        assert await mam.bodies(bob_client) == bodies
        page = await mam.query(bob_client, max=2, before="")
        assert (page.bodies, page.count) == (bodies[-2:], 6)
    assert [item["body"] for item in await read_all(server.muniment, alice)] == bodies
    async with (
        session(server.muniment) as http,
        http.get(f"/api/v1/archives/{alice.jid}/messages?search=PONG") as response,
    ):
        assert [message["body"] for message in (await response.json())["messages"]] == ["pong"]


async def test_messages_of_an_outage_of_the_database_are_archived(
    postgres_server: Server, postgres: Postgres, store_server: StoreServer
) -> None:
    server = postgres_server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()

        async def say(text: str) -> None:
            alice_client.say(bob.jid, text)
            await bob_client.wait_for_body(text)

        await say("before")
        await asyncio.to_thread(postgres.stop)
        await say("away")
        await asyncio.to_thread(postgres.start)
        await say("back")
        await asyncio.to_thread(server.muniment.wait_until, server.muniment.is_ready, "is ready")
        assert await mam.bodies(bob_client) == ["before", "away", "back"]

        # Messages that wait when the program ends go into a file, and from there into the store.
        await asyncio.to_thread(postgres.stop)
        await say("spilled")
        code = await asyncio.to_thread(server.muniment.stop)
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(server.muniment.start)

        assert code == 0
        assert await mam.bodies(bob_client) == ["before", "away", "back", "spilled"]
    assert "Traceback" not in server.muniment.log
