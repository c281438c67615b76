"""Each message of many users is in the archives it belongs to, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from xml.etree.ElementTree import canonicalize, tostring

import pytest
from support import mam
from support.ejabberd import Account
from support.mam import ArchiveResult
from support.raw import Client
from support.remote_data import read_all
from support.server import Server
from support.traffic import Flow, Ledger

#: The copies of ejabberd differ between releases.
pytestmark = pytest.mark.every_ejabberd

NAMES = ("alice", "bob", "carol", "dave", "mercutio", "tybalt")
NAMES_ON_THE_SECOND_HOST = ("romeo", "juliet", "benvolio", "nurse")

MESSAGES = 2000


class Town:
    """The users of both hosts, their sessions, and the messages of one half of the test."""

    def __init__(self, server: Server, sessions: AsyncExitStack) -> None:
        names = [*NAMES, *NAMES_ON_THE_SECOND_HOST]
        hosts = ["1"] * len(NAMES) + ["2"] * len(NAMES_ON_THE_SECOND_HOST)
        accounts = server.accounts(*(f"{n}@{host}" for n, host in zip(names, hosts, strict=True)))
        self.people = dict(zip(names, accounts, strict=True))
        self.room = f"square@conference.{server.ejabberd.hosts[0]}"
        self.ledger = Ledger()
        self._server = server
        self._sessions = sessions
        #: the open sessions by user and resource, for example alice/phone
        self.online: dict[str, Client] = {}

    async def log_in(self, *sessions: str) -> None:
        """Start sessions, each named by user and resource."""
        for session in sessions:
            name, _, resource = session.partition("/")
            client = self._server.client(self.people[name], resource)
            self.online[session] = await self._sessions.enter_async_context(client)
            await client.enable_carbons()
            await client.be_available()

    async def log_out(self, session: str) -> None:
        """End a session."""
        await self.online.pop(session).__aexit__()

    def flow(
        self, sender: str, to: str, count: int, *, readers: Sequence[str] = (), full: bool = False
    ) -> Flow:
        """Return messages from a session to a user, or with `full` to one session of a user."""
        recipient = self.people[to.partition("/")[0]]
        address = f"{recipient.jid}/{to.partition('/')[2]}" if full else recipient.jid
        author = self.people[sender.partition("/")[0]]
        return Flow(
            name=f"{sender} to {to}",
            sender=self.online[sender],
            to=address,
            count=count,
            # A message to oneself is in a single archive.
            archives=sorted({author.jid, recipient.jid}),
            readers=[self.online[reader] for reader in readers],
        )

    def room_flow(self, sender: str, nick: str, count: int) -> Flow:
        """Return messages to the room, which sends them to each occupant."""
        occupants = ("mercutio/one", "mercutio/two", "benvolio/one")
        return Flow(
            name=f"{sender} to the room",
            sender=self.online[sender],
            to=self.room,
            count=count,
            archives=[self.people["mercutio"].jid, self.people["benvolio"].jid],
            readers=[self.online[occupant] for occupant in occupants],
            said_by=f"{self.room}/{nick}",
            type="groupchat",
        )

    async def half(self) -> None:
        """Send 1,000 messages. Dave is offline meanwhile and logs in afterwards."""
        alice, carol = ("alice/phone", "alice/laptop"), [c for c in self.online if "carol" in c]
        await self.ledger.run(
            [
                self.flow("alice/phone", "bob", 60, readers=["bob/desk"]),
                self.flow("alice/phone", "alice", 40, readers=alice),
                self.flow("alice/laptop", "bob/desk", 60, readers=["bob/desk"], full=True),
                self.flow("alice/laptop", "romeo", 40, readers=["romeo/orchard"]),
                self.flow("bob/desk", "alice", 60, readers=alice),
                self.flow("bob/desk", "carol", 40, readers=carol),
                self.flow("romeo/orchard", "alice", 50, readers=alice),
                self.flow("romeo/orchard", "carol", 50, readers=carol),
                self.flow("juliet/balcony", "romeo", 50, readers=["romeo/orchard"]),
                self.flow("juliet/balcony", "dave", 50),
                self.flow("nurse/house", "bob", 50, readers=["bob/desk"]),
                self.flow("nurse/house", "juliet", 50, readers=["juliet/balcony"]),
                self.flow("tybalt/street", "alice/phone", 50, readers=["alice/phone"], full=True),
                self.flow("tybalt/street", "benvolio", 50, readers=["benvolio/one"]),
                self.flow("mercutio/two", "benvolio", 50, readers=["benvolio/one"]),
                self.room_flow("mercutio/one", "mercutio", 100),
                self.room_flow("mercutio/two", "mercutio", 50),
                self.room_flow("benvolio/one", "benvolio", 100),
            ]
        )
        await self.log_in("dave/late")
        flow = "juliet/balcony to dave"
        await self.online["dave/late"].wait_for_bodies(
            self.ledger.bodies(self.people["dave"].jid, flow)[-50:]
        )


@pytest.mark.timeout(180)
async def test_every_message_is_archived_exactly_once_and_in_order(
    own_server: Server,
) -> None:
    """Muniment restarts between the halves; offline users receive their messages afterwards."""
    async with AsyncExitStack() as sessions:
        town = Town(own_server, sessions)
        await town.log_in("alice/phone", "alice/laptop", "bob/desk", "romeo/orchard")
        await town.log_in("juliet/balcony", "nurse/house", "tybalt/street")
        await town.log_in("mercutio/one", "mercutio/two", "benvolio/one")
        for session in ("mercutio/one", "mercutio/two", "benvolio/one"):
            await town.online[session].join(town.room, session.partition("/")[0])
        await town.half()
        await town.log_out("dave/late")
        carol = town.people["carol"]
        offline = own_server.ejabberd.offline_messages(carol)
        await asyncio.to_thread(own_server.muniment.restart)
        await town.log_in("carol/late")
        for flow in ("bob/desk to carol", "romeo/orchard to carol"):
            await town.online["carol/late"].wait_for_bodies(town.ledger.bodies(carol.jid, flow))
        await town.half()

        assert offline == 90
        assert town.ledger.count == MESSAGES
        for session in town.online:
            if session not in ("alice/laptop", "mercutio/two"):
                await check_archive(own_server, town.ledger, town.online[session])


async def check_archive(server: Server, ledger: Ledger, client: Client) -> None:
    """Read the archive of a user forwards, backwards, at the component and over HTTP."""
    read = partial(mam.everything, client, max=50)
    results = await read()
    ledger.check(client.account.jid, results)
    assert ids(await read(backwards=True)) == ids(results)
    assert ids(await read(to=server.ejabberd.component)) == ids(results)
    items = await read_all(server.muniment, client.account)
    assert [canonical(item.pop("xml")) for item in items] == [
        canonical(tostring(result.message)) for result in results
    ]
    assert items == [item_of(client.account, message) for message in results]


def canonical(xml: str | bytes) -> str:
    """Return XML in its canonical form, independent of prefixes."""
    return canonicalize(xml, rewrite_prefixes=True)


def ids(results: Sequence[ArchiveResult]) -> list[str]:
    return [result.id for result in results]


def item_of(owner: Account, message: ArchiveResult) -> dict[str, object]:
    """Return the item of Remote Data, without its XML, for a message that was read by MAM."""
    is_sent = (message.sender or "").startswith(f"{owner.jid}/")
    peer = message.to if is_sent else message.sender
    return {
        "username": owner.user,
        "peer": (peer or "").partition("@")[0],
        "body": message.body,
        "direction": "send" if is_sent else "recv",
        "timestamp": message.stamp,
        "type": message.type,
        "nick": (peer or "").partition("/")[2] if message.type == "groupchat" else "",
    }
