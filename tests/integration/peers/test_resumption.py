"""MongooseIM big_tests, mam_SUITE, stream_management_cases and offline_message, on ejabberd.

Messages that the server sends again are archived once. Each test has the name of the case in
their suite.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from support import mam
from support.ejabberd import Account
from support.raw import Client
from support.server import Server
from support.stream_management import ResumingClient, Session, acknowledge, cut_off, manage

HELLO = "OH, HAI! msg 1"


@pytest.fixture
def alice(server: Server) -> Account:
    return server.account("alice")


@pytest.fixture
async def bob(server: Server) -> AsyncIterator[Client]:
    async with server.client(server.account("bob")) as client:
        await client.be_available()
        yield client


async def cut_off_with_a_message(
    server: Server, alice: Account, bob: Client, *, is_acknowledged: bool
) -> Session:
    """Have alice receive a message of bob and lose the connection; return her session."""
    async with cut_off(server.client(alice)) as phone:
        await phone.be_available()
        session = await manage(phone)
        bob.say(alice.jid, HELLO)
        await phone.wait_for_body(HELLO)
        if is_acknowledged:
            session = acknowledge(phone, session)
            # The server reads in order, so its answer shows that it has read the acknowledgement.
            await phone.settled()
        return session


def wait_for_offline_message(server: Server, account: Account) -> None:
    """Return when one message waits for an account that is offline."""
    server.ejabberd.wait_until(
        lambda: server.ejabberd.offline_messages(account) == 1, "keeps a message"
    )


async def test_reconnect_ack(server: Server, alice: Account, bob: Client) -> None:
    await cut_off_with_a_message(server, alice, bob, is_acknowledged=True)
    async with server.client(alice) as phone:
        await phone.be_available()

        assert await mam.bodies(phone) == [HELLO]
    assert await mam.bodies(bob) == [HELLO]


async def test_reconnect_no_ack(server: Server, alice: Account, bob: Client) -> None:
    """A new session replaces the old one, and the server routes unacknowledged messages again."""
    await cut_off_with_a_message(server, alice, bob, is_acknowledged=False)
    async with server.client(alice) as phone:
        # Messages to a session without presence wait in offline storage.
        await asyncio.to_thread(wait_for_offline_message, server, alice)
        await phone.be_available()
        await phone.wait_for_body(HELLO)

        assert await mam.bodies(phone) == [HELLO]
    assert await mam.bodies(bob) == [HELLO]


async def test_reconnect_no_ack_same_session(server: Server, alice: Account, bob: Client) -> None:
    """The server sends the unacknowledged message to the resumed session again."""
    session = await cut_off_with_a_message(server, alice, bob, is_acknowledged=False)
    async with ResumingClient(alice, server.ejabberd.ports.c2s, session) as phone:
        await phone.wait_for_body(HELLO)

        assert await mam.bodies(phone) == [HELLO]


async def test_reconnect_no_ack_different_resource(
    server: Server, alice: Account, bob: Client
) -> None:
    """The message stays with the first session; the second one finds it in the archive."""
    await cut_off_with_a_message(server, alice, bob, is_acknowledged=False)
    async with server.client(alice, "laptop") as laptop:
        await laptop.be_available()

        assert await mam.bodies(laptop) == [HELLO]


async def test_offline_message(server: Server, alice: Account, bob: Client) -> None:
    """The message is archived while the recipient is offline, and not again on delivery."""
    bob.say(alice.jid, "Is there anybody here?")
    await bob.settled()
    async with server.client(alice) as phone:
        await mam.wait_for_bodies(phone, ["Is there anybody here?"])
        await phone.be_available()
        await phone.wait_for_body("Is there anybody here?")

        assert await mam.bodies(phone) == ["Is there anybody here?"]
