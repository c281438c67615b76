"""MongooseIM big_tests, mam_SUITE, prefs_cases: effects of preferences on messages, on ejabberd.

Bob is on the roster of alice, kate is not. Under each of 21 preferences bob and alice exchange
messages, then kate and alice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from support import mam
from support.mam_payloads import set_preferences
from support.raw import Client
from support.server import Server

#: The lists `always` and `never`, and whether messages with bob and with kate are archived.
Case = tuple[Sequence[str], Sequence[str], bool, bool]

BOB, KATE, BOTH = ("bob",), ("kate",), ("bob", "kate")

ROSTER: tuple[Case, ...] = (
    ((), (), True, False),
    (BOB, (), True, False),
    (KATE, (), True, True),
    (BOTH, (), True, True),
    ((), BOB, False, False),
    ((), KATE, True, False),
    ((), BOTH, False, False),
)
NEVER: tuple[Case, ...] = (
    ((), (), False, False),
    (BOB, (), True, False),
    (KATE, (), False, True),
    (BOTH, (), True, True),
    ((), BOB, False, False),
    ((), KATE, False, False),
    ((), BOTH, False, False),
)
ALWAYS: tuple[Case, ...] = (
    ((), (), True, True),
    (BOB, (), True, True),
    (KATE, (), True, True),
    (BOTH, (), True, True),
    ((), BOB, False, True),
    ((), KATE, True, False),
    ((), BOTH, False, False),
)


@dataclass(frozen=True)
class Friends:
    """Alice and the peers that she talks with."""

    alice: Client
    peers: dict[str, Client]

    async def prefer(self, default: str, always: Sequence[str], never: Sequence[str]) -> None:
        """Set alice's preferences."""
        lists = ([self.peers[name].account.jid for name in names] for names in (always, never))
        await self.alice.ask("set", set_preferences(default, *lists))

    async def talk(self, name: str, topic: str) -> list[str]:
        """Have a peer and alice send each other a message; return both texts."""
        peer = self.peers[name]
        bodies = []
        for sender, recipient in ((peer, self.alice), (self.alice, peer)):
            bodies.append(f"{topic}: {sender.account.user}")
            sender.say(recipient.jid, bodies[-1])
            await recipient.wait_for_body(bodies[-1])
        return bodies


@pytest.fixture
async def friends(server: Server) -> AsyncIterator[Friends]:
    alice, bob, kate = server.accounts("alice", "bob", "kate")
    async with (
        server.client(alice) as alice_client,
        server.client(bob) as bob_client,
        server.client(kate) as kate_client,
    ):
        for client in (alice_client, bob_client, kate_client):
            await client.be_available()
        item = f"<query xmlns='jabber:iq:roster'><item jid='{bob.jid}'/></query>"
        await alice_client.ask("set", item)
        yield Friends(alice_client, {"bob": bob_client, "kate": kate_client})


async def run(friends: Friends, default: str, cases: Sequence[Case]) -> None:
    """Set each preference in turn and talk under it; then compare the archive."""
    expected = []
    for number, (always, never, bob, kate) in enumerate(cases):
        await friends.prefer(default, always, never)
        for name, is_archived in (("bob", bob), ("kate", kate)):
            bodies = await friends.talk(name, f"{default} {number}")
            expected += bodies if is_archived else []

    assert await mam.bodies(friends.alice) == expected


async def test_messages_filtered_when_prefs_default_policy_is_always(friends: Friends) -> None:
    await run(friends, "always", ALWAYS)


async def test_messages_filtered_when_prefs_default_policy_is_never(friends: Friends) -> None:
    await run(friends, "never", NEVER)


async def test_messages_filtered_when_prefs_default_policy_is_roster(friends: Friends) -> None:
    await run(friends, "roster", ROSTER)


async def test_roster_policy_follows_each_roster_change(
    friends: Friends,
) -> None:
    """XEP-0441 section 2: the default `roster` uses the roster at the time of the message."""
    kate = friends.peers["kate"].account.jid
    await friends.prefer("roster", (), ())
    expected = []
    for number, state in enumerate((None, "none", "remove")):
        if state is not None:
            attribute = "" if state == "none" else f" subscription='{state}'"
            item = f"<query xmlns='jabber:iq:roster'><item jid='{kate}'{attribute}/></query>"
            await friends.alice.ask("set", item)
        bodies = await friends.talk("kate", f"state {number}")
        expected += bodies if state == "none" else []

        # The query returns after the decision about both messages, before the next change.
        assert await mam.bodies(friends.alice) == expected
