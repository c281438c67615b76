"""MongooseIM big_tests, mam_SUITE, stream_management_cases and offline_message, on ejabberd.

Messages that the server sends again are archived once. Each test has the name of theirs.
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
    """Have alice receive a message of bob's, and lose her connection."""
    async with cut_off(server.client(alice)) as phone:
        await phone.be_available()
        session = await manage(phone)
        bob.say(alice.jid, HELLO)
        await phone.wait_for_body(HELLO)
        if is_acknowledged:
            session = acknowledge(phone, session)
            # The server reads in order: this one is answered behind what is acknowledged.
            await phone.settled()
        return session


def has_kept_one(server: Server, account: Account) -> None:
    """Wait until one message is kept for an account that is offline."""
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
    """A session in the place of another: the server routes anew what was not acknowledged."""
    await cut_off_with_a_message(server, alice, bob, is_acknowledged=False)
    async with server.client(alice) as phone:
        # As long as it is not available yet, messages to it are kept.
        await asyncio.to_thread(has_kept_one, server, alice)
        await phone.be_available()
        await phone.wait_for_body(HELLO)

        assert await mam.bodies(phone) == [HELLO]
    assert await mam.bodies(bob) == [HELLO]


async def test_reconnect_no_ack_same_session(server: Server, alice: Account, bob: Client) -> None:
    """A session that goes on is sent again what it did not acknowledge."""
    session = await cut_off_with_a_message(server, alice, bob, is_acknowledged=False)
    async with ResumingClient(alice, server.ejabberd.ports.c2s, session) as phone:
        await phone.wait_for_body(HELLO)

        assert await mam.bodies(phone) == [HELLO]


async def test_reconnect_no_ack_different_resource(
    server: Server, alice: Account, bob: Client
) -> None:
    """The message stays with the first session, and is in the archive for the second one."""
    await cut_off_with_a_message(server, alice, bob, is_acknowledged=False)
    async with server.client(alice, "laptop") as laptop:
        await laptop.be_available()

        assert await mam.bodies(laptop) == [HELLO]


async def test_offline_message(server: Server, alice: Account, bob: Client) -> None:
    """It is archived while the recipient is away, and not again when it is delivered."""
    bob.say(alice.jid, "Is there anybody here?")
    await bob.settled()
    async with server.client(alice) as phone:
        await mam.wait_for_bodies(phone, ["Is there anybody here?"])
        await phone.be_available()
        await phone.wait_for_body("Is there anybody here?")

        assert await mam.bodies(phone) == ["Is there anybody here?"]
