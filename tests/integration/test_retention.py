"""How long messages stay, on the real command: by host, by user, by peer, under a hold, erased."""

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
from support.remote_data import path, session
from support.server import Server

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
class Office:
    """Who administers a server over HTTP."""

    server: Server
    http: ClientSession

    async def fill(self, owner: Account, peer: str, *, days: int = 0) -> None:
        """Store messages that a peer sent that many days ago."""
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
            async with self.http.post(target, json=fields) as answer:
                assert answer.status == 200, await answer.text()

    async def rule(self, owner: Account, peer: str | None = None, **rule: int) -> None:
        params = {"confirm": "true"} if peer is None else {"confirm": "true", "peer": peer}
        await self.ask("PUT", f"/archives/{owner.jid}/retention", json=rule, params=params)

    async def ask(self, method: str, target: str, status: int = 200, **options: Any) -> Any:
        """Return the JSON of an answer that has this status."""
        async with self.http.request(method, f"/api/v1{target}", **options) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json() if answer.content_length else None

    async def purge(self) -> dict[str, Any]:
        """Return how a purge went that was ordered now."""
        await self.purged()
        await self.ask("POST", "/purges", 202)
        return await self.purged()

    async def purged(self) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = await self.ask("GET", "/purges")
            if found["current"] is None and found["last"] is not None:
                last: dict[str, Any] = found["last"]
                return last

    async def texts(self, owner: Account) -> list[str | None]:
        """Return what the owner itself reads."""
        async with self.server.client(owner) as client:
            return await mam.bodies(client)

    async def exported(self, owner: Account) -> list[dict[str, Any]]:
        async with self.http.get(f"/api/v1/archives/{owner.jid}/export") as answer:
            assert answer.status == 200
            return [json.loads(line) for line in (await answer.text()).splitlines()]

    def readable(self) -> bytes:
        """Return every byte of the store."""
        files = self.server.muniment.folder.glob("muniment.db*")
        return b"".join(file.read_bytes() for file in files)


@with_bounds
async def test_purge_applies_bounds_of_hosts_users_and_peers(own_server: Server) -> None:
    alice, bob, carol, romeo = own_server.accounts("alice", "bob", "carol", "romeo@2")
    async with session(own_server.muniment) as http:
        office = Office(own_server, http)
        for owner in (alice, bob, carol):
            await office.fill(owner, "old@one.test", days=31)
            await office.fill(owner, "new@one.test")
        await office.fill(romeo, "old@one.test", days=400)
        await office.rule(bob, messages=2)
        await office.rule(carol, "new@one.test", messages=1)
        await office.rule(carol, "old@one.test", days=0)

        last = await office.purge()

        assert (last["state"], last["error"]) == ("done", None)
        assert await office.texts(alice) == MESSAGES
        assert await office.texts(bob) == MESSAGES[-2:]
        assert await office.texts(romeo) == MESSAGES[-3:]
        said = [line["kind"] for line in await office.exported(carol)]
        assert said == ["message"] * 5 + ["blanked"] * 4 + ["message"]
        sizes = [len(line["xml"].encode()) for line in await office.exported(alice)]
        await office.rule(alice, bytes=sum(sizes[-2:]))
        await office.purge()
        assert await office.texts(alice) == MESSAGES[-2:]


async def test_new_bounds_over_a_tenth_delete_nothing_until_confirmed(
    own_server: Server,
) -> None:
    alice = own_server.account("alice")
    async with session(own_server.muniment) as http:
        office = Office(own_server, http)
        for n in range(4):
            await office.fill(alice, f"peer{n}@one.test")
        own_server.muniment.configure("retention", messages=5)
        own_server.muniment.restart()

        by_schedule = await office.purged()
        checked = line(own_server, "check-config")
        untold = line(own_server, "purge")
        unconfirmed = line(own_server, "purge", "--yes")
        left = await office.texts(alice)
        code, shown = await asyncio.to_thread(typed, own_server, "purge", answers=["yes\n"])
        by_hand = await office.purged()

        assert (by_schedule["state"], left) == ("unconfirmed", MESSAGES * 4)
        assert "warn running: nothing is purged" in checked.stdout
        assert (untold.returncode, unconfirmed.returncode) == (3, 1)
        assert "15 messages of 1 archive, from 2" in untold.stderr
        assert f"(15 of the 20 of {alice.jid}), and nobody has confirmed" in unconfirmed.stderr
        assert (code, "15 messages of 1 archive" in shown) == (0, True)
        assert (by_hand["state"], by_hand["messages"]) == ("done", 15)
        assert await office.texts(alice) == MESSAGES
        own_server.muniment.restart()
        assert (await office.purged())["state"] == "done"


@with_bounds
async def test_what_is_held_stays_until_it_is_released(own_server: Server) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with session(own_server.muniment) as http:
        office = Office(own_server, http)
        await office.ask("PUT", f"/holds/{alice.jid}", json={"reason": "case 7"})
        for owner in (alice, bob):
            await office.fill(owner, "old@one.test", days=31)
        own_server.muniment.restart()

        await office.purge()
        await office.ask("DELETE", f"/archives/{alice.jid}", 409)
        assert await office.texts(alice) == MESSAGES
        assert await office.texts(bob) == []

        await office.ask("DELETE", f"/holds/{alice.jid}", 204)
        await office.purge()
        assert await office.texts(alice) == []


async def test_export_before_erasure_is_complete_and_erasure_leaves_nothing(
    own_server: Server,
) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with session(own_server.muniment) as http:
        office = Office(own_server, http)
        async with own_server.client(alice) as hers, own_server.client(bob) as his:
            await his.be_available()
            for text in MESSAGES:
                hers.say(bob.jid, f"{text} to nobody else")
            await hers.settled()
        said = [f"{text} to nobody else" for text in MESSAGES]
        assert await office.texts(alice) == said

        exported = await office.exported(alice)
        assert [line["from"].partition("/")[0] for line in exported] == [alice.jid] * 5
        assert all(text in line["xml"] for text, line in zip(said, exported, strict=True))
        for owner in (alice, bob):
            await office.ask("DELETE", f"/archives/{owner.jid}")

        assert await office.texts(alice) == []
        assert await office.exported(alice) == []
        assert b"nobody" not in office.readable()
        actions = [
            audit_entry["action"] for audit_entry in (await office.ask("GET", "/audit"))["entries"]
        ]
        assert actions == ["export", "erase", "erase", "export"]


async def test_erase_includes_undelivered_message_to_absent_user(
    own_server: Server,
) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with session(own_server.muniment) as http, own_server.client(alice) as hers:
        office = Office(own_server, http)
        hers.say(bob.jid, "before")
        while not await office.exported(alice):
            await hers.settled()
        await office.ask("DELETE", f"/archives/{bob.jid}")
        hers.say(bob.jid, "behind")
        while not (kept := await office.exported(bob)):
            await hers.settled()

        assert len(kept) == 1
        assert "behind" in kept[0]["xml"]
