"""Retention by host, user and peer, legal holds and erasure, with the real command."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession
from support import mam
from support.command_clients import line, typed
from support.ejabberd import Account
from support.program import POLL_SECONDS
from support.remote_data import path, session
from support.server import Server

# Archives are deleted alike beside every release.
pytestmark = pytest.mark.newest_ejabberd

MESSAGES = [f"message {n}" for n in range(5)]

with_bounds = pytest.mark.parametrize(
    "own_server",
    [
        {
            "retention": {"days": 30, "batch": 2},
            'hosts."two.test"': {"days": 0, "messages": 3},
        }
    ],
    indirect=True,
    ids=["bounds"],
)


@dataclass(frozen=True)
class Administration:
    """An operator who administers a server over HTTP."""

    server: Server
    http: ClientSession

    async def fill(self, owner: Account, peer: str, *, days: int = 0) -> None:
        """Post messages of a peer that are this many days old."""
        first = datetime.now(UTC) - timedelta(days=days, minutes=10)
        for n, text in enumerate(MESSAGES):
            fields = {
                "username": owner.user,
                "peer": peer,
                "timestamp": (first + timedelta(seconds=n)).isoformat().replace("+00:00", "Z"),
                "xml": f"<message xmlns='jabber:client' type='chat' from='{peer}/x' "
                f"to='{owner.jid}'><body>{text}</body></message>",
            }
            target = path(self.server.muniment, owner)
            async with self.http.post(target, json=fields) as response:
                assert response.status == 200, await response.text()

    async def rule(self, owner: Account, peer: str | None = None, **rule: int) -> None:
        params = {"confirm": "true"} if peer is None else {"confirm": "true", "peer": peer}
        await self.ask("PUT", f"/archives/{owner.jid}/retention", json=rule, params=params)

    async def ask(self, method: str, target: str, status: int = 200, **options: Any) -> Any:
        """Return the JSON of a response. Fail unless it has this status."""
        async with self.http.request(method, f"/api/v1{target}", **options) as response:
            assert response.status == status, await response.text()
            return await response.json() if response.content_length else None

    async def purge(self) -> dict[str, Any]:
        """Start a purge, and return its outcome."""
        await self.last_purge()
        await self.ask("POST", "/purges", 202)
        return await self.last_purge()

    async def last_purge(self) -> dict[str, Any]:
        """Return the outcome of the last purge, after the end of the current one."""
        # No event shows the end of a purge.
        while True:
            purges: dict[str, Any] = await self.ask("GET", "/purges")
            if purges["current"] is None and purges["last"] is not None:
                last: dict[str, Any] = purges["last"]
                return last
            await asyncio.sleep(POLL_SECONDS)

    async def texts(self, owner: Account) -> list[str | None]:
        """Return the texts that the owner reads by MAM."""
        async with self.server.client(owner) as client:
            return await mam.bodies(client)

    async def exported(self, owner: Account) -> list[dict[str, Any]]:
        async with self.http.get(f"/api/v1/archives/{owner.jid}/export") as response:
            assert response.status == 200
            return [json.loads(line) for line in (await response.text()).splitlines()]


@with_bounds
async def test_purge_applies_bounds_of_hosts_users_and_peers(own_server: Server) -> None:
    alice, bob, carol, romeo = own_server.accounts("alice", "bob", "carol", "romeo@2")
    async with session(own_server.muniment) as http:
        administration = Administration(own_server, http)
        for owner in (alice, bob, carol):
            await administration.fill(owner, "old@one.test", days=31)
            await administration.fill(owner, "new@one.test")
        await administration.fill(romeo, "old@one.test", days=400)
        await administration.rule(bob, messages=2)
        await administration.rule(carol, "new@one.test", messages=1)
        await administration.rule(carol, "old@one.test", days=0)

        last = await administration.purge()

        assert (last["state"], last["error"]) == ("done", None)
        assert await administration.texts(alice) == MESSAGES
        assert await administration.texts(bob) == MESSAGES[-2:]
        assert await administration.texts(romeo) == MESSAGES[-3:]
        kinds = [line["kind"] for line in await administration.exported(carol)]
        assert kinds == ["message"] * 5 + ["blanked"] * 4 + ["message"]
        sizes = [len(line["xml"].encode()) for line in await administration.exported(alice)]
        await administration.rule(alice, bytes=sum(sizes[-2:]))
        await administration.purge()
        assert await administration.texts(alice) == MESSAGES[-2:]


async def test_purge_of_more_than_a_tenth_waits_for_confirmation(
    own_server: Server,
) -> None:
    alice = own_server.account("alice")
    async with session(own_server.muniment) as http:
        administration = Administration(own_server, http)
        for n in range(4):
            await administration.fill(alice, f"peer{n}@one.test")
        own_server.muniment.configure("retention", messages=5)
        own_server.muniment.restart()

        by_schedule = await administration.last_purge()
        check = line(own_server, "check-config")
        without_terminal = line(own_server, "purge")
        unconfirmed = line(own_server, "purge", "--yes")
        texts = await administration.texts(alice)
        code, screen = await asyncio.to_thread(typed, own_server, "purge", answers=["yes\n"])
        by_hand = await administration.last_purge()

        assert (by_schedule["state"], texts) == ("unconfirmed", MESSAGES * 4)
        assert "warn running: nothing is purged" in check.stdout
        assert (without_terminal.returncode, unconfirmed.returncode) == (3, 1)
        assert "15 messages of 1 archive, from 2" in without_terminal.stderr
        assert f"(15 of the 20 of {alice.jid}), and nobody has confirmed" in unconfirmed.stderr
        assert (code, "15 messages of 1 archive" in screen) == (0, True)
        assert (by_hand["state"], by_hand["messages"]) == ("done", 15)
        assert await administration.texts(alice) == MESSAGES
        own_server.muniment.restart()
        assert (await administration.last_purge())["state"] == "done"


@with_bounds
async def test_held_archive_is_not_purged_until_released(own_server: Server) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with session(own_server.muniment) as http:
        administration = Administration(own_server, http)
        await administration.ask("PUT", f"/holds/{alice.jid}", json={"reason": "case 7"})
        for owner in (alice, bob):
            await administration.fill(owner, "old@one.test", days=31)
        own_server.muniment.restart()

        await administration.purge()
        await administration.ask("DELETE", f"/archives/{alice.jid}", 409)
        assert await administration.texts(alice) == MESSAGES
        assert await administration.texts(bob) == []

        await administration.ask("DELETE", f"/holds/{alice.jid}", 204)
        await administration.purge()
        assert await administration.texts(alice) == []


async def test_export_is_complete_and_erasure_leaves_no_byte(
    own_server: Server,
) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with session(own_server.muniment) as http:
        administration = Administration(own_server, http)
        async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
            await bob_client.be_available()
            for text in MESSAGES:
                alice_client.say(bob.jid, f"{text} by zeppelin")
            await alice_client.settled()
        texts = [f"{text} by zeppelin" for text in MESSAGES]
        assert await administration.texts(alice) == texts

        exported = await administration.exported(alice)
        assert [line["from"].partition("/")[0] for line in exported] == [alice.jid] * 5
        assert all(text in line["xml"] for text, line in zip(texts, exported, strict=True))
        for owner in (alice, bob):
            await administration.ask("DELETE", f"/archives/{owner.jid}")

        assert await administration.texts(alice) == []
        assert await administration.exported(alice) == []
        assert b"zeppelin" not in own_server.muniment.stored_bytes()
        actions = [
            audit_entry["action"]
            for audit_entry in (await administration.ask("GET", "/audit"))["entries"]
        ]
        assert actions == ["export", "erase", "erase", "export"]


async def test_erase_includes_undelivered_message_to_absent_user(
    own_server: Server,
) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with session(own_server.muniment) as http, own_server.client(alice) as alice_client:
        administration = Administration(own_server, http)
        alice_client.say(bob.jid, "before")
        while not await administration.exported(alice):  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(POLL_SECONDS)
        await administration.ask("DELETE", f"/archives/{bob.jid}")
        alice_client.say(bob.jid, "behind")
        while not (rows := await administration.exported(bob)):  # noqa: ASYNC110 - as above
            await asyncio.sleep(POLL_SECONDS)

        assert len(rows) == 1
        assert "behind" in rows[0]["xml"]
