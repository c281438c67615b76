"""MongooseIM big_tests, mam_SUITE, prefs_cases: what preferences do to messages, on ejabberd.

Bob is on alice's roster, kate is not. For each of 21 preferences bob and alice say something to
each other, then kate and alice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from support import mam
from support.mam_payloads import set_preferences
from support.raw import Client
from support.server import Server

#: Lists of always and of never, and whether what is said with bob, and with kate, is archived.
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
    """Alice, and who talks with her."""

    alice: Client
    others: dict[str, Client]

    async def prefer(self, default: str, always: Sequence[str], never: Sequence[str]) -> None:
        """Set alice's preferences."""
        lists = ([self.others[name].account.jid for name in names] for names in (always, never))
        await self.alice.ask("set", set_preferences(default, *lists))

    async def talk(self, name: str, what: str) -> list[str]:
        """Say something both ways; return what was said."""
        other = self.others[name]
        for sender, recipient in ((other, self.alice), (self.alice, other)):
            body = f"{what}: {sender.account.user}"
            sender.say(recipient.jid, body)
            await recipient.wait_for_body(body)
        return [f"{what}: {one.account.user}" for one in (other, self.alice)]


@pytest.fixture
async def friends(server: Server) -> AsyncIterator[Friends]:
    alice, bob, kate = server.accounts("alice", "bob", "kate")
    async with (
        server.client(alice) as hers,
        server.client(bob) as his,
        server.client(kate) as kates,
    ):
        for client in (hers, his, kates):
            await client.be_available()
        item = f"<query xmlns='jabber:iq:roster'><item jid='{bob.jid}'/></query>"
        await hers.ask("set", item)
        yield Friends(hers, {"bob": his, "kate": kates})


async def run(friends: Friends, default: str, cases: Sequence[Case]) -> None:
    """Set each preference in turn and talk under it; then look what was archived."""
    expected = []
    for number, (always, never, bob, kate) in enumerate(cases):
        await friends.prefer(default, always, never)
        for name, is_kept in (("bob", bob), ("kate", kate)):
            said = await friends.talk(name, f"{default} {number}")
            expected += said if is_kept else []

    assert await mam.bodies(friends.alice) == expected


async def test_messages_filtered_when_prefs_default_policy_is_always(friends: Friends) -> None:
    await run(friends, "always", ALWAYS)


async def test_messages_filtered_when_prefs_default_policy_is_never(friends: Friends) -> None:
    await run(friends, "never", NEVER)


async def test_messages_filtered_when_prefs_default_policy_is_roster(friends: Friends) -> None:
    await run(friends, "roster", ROSTER)


async def test_a_contact_counts_from_when_it_is_on_the_roster_to_when_it_is_not(
    friends: Friends,
) -> None:
    """XEP-0441 section 2: roster looks at the roster as it is at the time of the message."""
    kate = friends.others["kate"].account.jid
    await friends.prefer("roster", (), ())
    expected = []
    for number, state in enumerate((None, "none", "remove")):
        if state is not None:
            said = "" if state == "none" else f" subscription='{state}'"
            item = f"<query xmlns='jabber:iq:roster'><item jid='{kate}'{said}/></query>"
            await friends.alice.ask("set", item)
        said_now = await friends.talk("kate", f"state {number}")
        expected += said_now if state == "none" else []

        # Before the next change: by now it is decided.
        assert await mam.bodies(friends.alice) == expected
