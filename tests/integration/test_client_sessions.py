"""A session of a user at a real ejabberd: roster, presences, receipts, and lost connections."""

from __future__ import annotations

import asyncio
import secrets
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from support.ejabberd import Account, Ejabberd
from support.pool import lent_ejabberd
from support.ports import LOOPBACK
from support.raw import Client
from support.releases import Release
from support.stanzas import CLIENT

from component.core.background import start_alone
from component.core.hosts import Hosts
from component.core.sessions import events
from component.core.sessions.commands import Change, ChatStateOf, ReceiptOf
from component.core.sessions.credentials import Credentials
from component.core.sessions.machine import Phase
from component.core.sessions.outgoing import ChatState, Outgoing, Subscription, Text
from component.sessions.manager import SessionManager, SessionSettings

RECEIVED = "{urn:xmpp:receipts}received"


@pytest.fixture(scope="module")
def ejabberd(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Ejabberd]:
    with lent_ejabberd(tmp_path_factory.mktemp("sessions") / "ejabberd", release) as ejabberd:
        yield ejabberd


@pytest.fixture
def people(ejabberd: Ejabberd) -> tuple[Account, Account]:
    """Alice, who has a session, and bob, who has a client."""
    alice, bob = (
        Account(f"{name}-{secrets.token_hex(3)}", ejabberd.hosts[0], secrets.token_hex(8))
        for name in ("alice", "bob")
    )
    ejabberd.register(alice, bob)
    return alice, bob


class Wire:
    """A relay between Muniment and ejabberd, which can be cut."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._to = port
        self._writers: set[StreamWriter] = set()

    def cut(self) -> int:
        """Cut all connections without closing streams; return their number."""
        count = len(self._writers)
        for writer in self._writers:
            writer.transport.abort()
        return count

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        """Relay connections while the context is open."""
        server = await asyncio.start_server(self._relay, LOOPBACK)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
            self.cut()

    async def _relay(self, reader: StreamReader, writer: StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._to)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._writers -= ends


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data)
    writer.close()


async def token_of(_: str) -> str | None:
    return "no.valid.token"


@asynccontextmanager
async def opened(
    port: int, alice: Account, changes: list[Change] | None = None
) -> AsyncIterator[SessionManager]:
    """Open the session of alice, who signed in with a password."""
    credentials = Credentials()
    credentials.remember(alice.jid, alice.password)
    settings = SessionSettings(address=LOOPBACK, port=port, max=10, idle_seconds=60.0)
    heard = [] if changes is None else changes
    sessions = SessionManager(
        settings,
        Hosts([alice.host]),
        credentials,
        token_of,
        lambda _, change: heard.append(change),
    )
    async with sessions.running(start_alone):
        machine = sessions.session(alice.jid).machine
        await until(lambda: machine.phase is Phase.ONLINE)
        yield sessions


async def until(is_reached: Callable[[], object]) -> None:
    """Wait until something is the case."""
    for _ in range(1000):
        if is_reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("this did not happen")


async def test_subscription_and_presence_go_both_ways(
    ejabberd: Ejabberd, people: tuple[Account, Account]
) -> None:
    alice, bob = people
    changes: list[Change] = []
    async with (
        Client(bob, ejabberd.ports.c2s) as contact,
        opened(ejabberd.ports.c2s, alice, changes) as sessions,
    ):
        await contact.be_available()
        session = sessions.session(alice.jid)
        contact.send(f"<presence type='subscribe' to='{alice.jid}'/>")
        await until(lambda: bob.jid in session.machine.requests)

        for type in ("subscribed", "subscribe"):
            with session.delivery(Subscription(id=type, to=bob.jid, type=type)) as delivery:
                await delivery.wait_taken()
        await contact.wait_for(lambda stanza: stanza.get("type") == "subscribed")
        await contact.wait_for(lambda stanza: stanza.get("type") == "subscribe")
        contact.send(f"<presence type='subscribed' to='{alice.jid}'/>")
        contact.send("<presence><show>away</show><status>lunch</status></presence>")

        both = events.RosterItem(jid=bob.jid, subscription="both")
        await until(lambda: session.machine.contacts.get(bob.jid) == both)
        await until(
            lambda: any(
                isinstance(change, events.PresenceOf)
                and (change.jid, change.show, change.status) == (contact.jid, "away", "lunch")
                for change in changes
            )
        )
        await contact.wait_for(
            lambda stanza: (
                stanza.tag == f"{CLIENT}presence"
                and (stanza.get("from") or "").startswith(f"{alice.jid}/muniment-")
            )
        )

    # The next session gets the roster as a whole.
    async with opened(ejabberd.ports.c2s, alice) as sessions:
        machine = sessions.session(alice.jid).machine
        await until(lambda: bob.jid in machine.contacts)


async def test_receipt_and_chat_state_of_a_contact_are_told(
    ejabberd: Ejabberd, people: tuple[Account, Account]
) -> None:
    alice, bob = people
    changes: list[Change] = []
    async with (
        Client(bob, ejabberd.ports.c2s) as contact,
        opened(ejabberd.ports.c2s, alice, changes) as sessions,
    ):
        await contact.be_available()
        message = Outgoing(id="m", to=bob.jid, type="chat", payload=Text("Hi"))
        with sessions.delivery(alice.jid, message) as delivery:
            await delivery.wait_taken()
        received = await contact.wait_for_body("Hi")

        contact.send(
            f"<message to='{received.get('from')}' type='chat'>"
            "<received xmlns='urn:xmpp:receipts' id='m'/>"
            "<composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )

        expected = [ChatStateOf(bob.jid, ChatState.COMPOSING), ReceiptOf(bob.jid, "m")]
        await until(lambda: all(change in changes for change in expected))


async def test_contact_gets_the_receipt_that_it_asks_for(
    ejabberd: Ejabberd, people: tuple[Account, Account]
) -> None:
    alice, bob = people
    async with (
        Client(bob, ejabberd.ports.c2s) as contact,
        opened(ejabberd.ports.c2s, alice) as sessions,
    ):
        await contact.be_available()
        session = sessions.session(alice.jid)
        session.report(events.RosterItem(jid=bob.jid, subscription="both"))
        await contact.settled()

        id = contact.say(alice.jid, "Hi", extra="<request xmlns='urn:xmpp:receipts'/>")

        answer = await contact.wait_for(lambda stanza: stanza.find(RECEIVED) is not None)
        receipt = answer.find(RECEIVED)
        assert receipt is not None
        assert receipt.get("id") == id


async def test_cut_connection_is_resumed_and_no_message_is_lost(
    ejabberd: Ejabberd, people: tuple[Account, Account]
) -> None:
    alice, bob = people
    async with (
        Client(bob, ejabberd.ports.c2s) as contact,
        Wire(ejabberd.ports.c2s).open() as wire,
        opened(wire.port, alice) as sessions,
    ):
        await contact.be_available()
        session = sessions.session(alice.jid)
        for number in range(3):
            message = Outgoing(id=f"m{number}", to=bob.jid, type="chat", payload=Text(f"{number}"))
            with sessions.delivery(alice.jid, message) as delivery:
                assert wire.cut() == 2
                async with asyncio.timeout(10):
                    await delivery.wait_taken()

        await contact.wait_for_bodies(["0", "1", "2"])
        texts = [stanza.findtext(f"{CLIENT}body") for stanza in contact.received]
        assert [text for text in texts if text] == ["0", "1", "2"]
        senders = {
            stanza.get("from")
            for stanza in contact.received
            if stanza.find(f"{CLIENT}body") is not None
        }
        assert len(senders) == 1
        assert session.machine.phase is Phase.ONLINE
