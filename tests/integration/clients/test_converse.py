"""Converse.js, a web client, on archives as its users have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NoReturn

import pytest
from support import mam
from support.changes import say_and_correct, say_and_retract
from support.converse import ConverseDevice, chromium, converse_device, missing_parts
from support.ejabberd import Account
from support.raw import Client
from support.server import Server

pytestmark = [
    # Starting a browser takes a while on a loaded machine.
    pytest.mark.timeout(240),
    # test_mam_clients.py reads the archive on all releases.
    pytest.mark.newest_ejabberd,
]

#: More than the page of 50 that Converse.js asks for. It shows 100 messages at most.
COUNT = 70

HISTORY = [f"message {n}" for n in range(COUNT)]


@pytest.fixture(autouse=True)
def _installed(missing: Callable[[object], NoReturn]) -> None:
    if parts := missing_parts():
        missing(f"install {' and '.join(parts)}")


@pytest.fixture
def alice(server: Server) -> Account:
    """The user of Converse.js."""
    return server.account("alice")


@pytest.fixture
async def phone(server: Server, alice: Account) -> AsyncIterator[Client]:
    """Another device of that user, which stays online."""
    async with server.client(alice) as client:
        await client.be_available()
        await client.enable_carbons()
        yield client


@pytest.fixture
async def bob(server: Server) -> AsyncIterator[Client]:
    """A contact who stays online."""
    async with server.client(server.account("bob")) as client:
        await client.be_available()
        yield client


@pytest.fixture
async def device(server: Server, alice: Account) -> AsyncIterator[ConverseDevice]:
    """A browser in which Converse.js never ran."""
    port = server.ejabberd.ports.http
    async with chromium() as browser, converse_device(browser, alice, port) as opened:
        yield opened


async def say_one_by_one(phone: Client, bob: Client) -> None:
    """Have two say the history, each message in a millisecond of its own.

    Converse.js orders messages by milliseconds, and the archive takes the times at which it reads
    them: one that was read before a query is of an earlier time than one sent behind the answer.
    """
    for n, text in enumerate(HISTORY):
        sender, reader = (phone, bob) if n % 2 else (bob, phone)
        sender.say(reader.account.jid, text)
        await reader.wait_for_body(text)
        await mam.query(reader, max=1)
        await asyncio.sleep(0.001)


def removed_by(client: Client) -> str:
    """Return the note in the place of a message that its author has retracted."""
    return f"{client.account.jid} has removed a message"


async def test_history_and_return_after_an_absence(
    phone: Client, bob: Client, device: ConverseDevice
) -> None:
    alice = phone.account
    await say_one_by_one(phone, bob)
    await say_and_correct(bob, alice.jid, "wrogn", "right", seen_by=phone)
    await say_and_retract(bob, alice.jid, "a slip", seen_by=phone)
    shown = [*HISTORY, "right", removed_by(bob)]
    async with device.chat(bob.account.jid) as chat:
        # A fresh device shows the newest page, and the pages before it one by one.
        await chat.wait_for_texts(shown)
        await chat.say("from Converse")
        await bob.wait_for_body("from Converse")
        await say_and_correct(bob, alice.jid, "live wrogn", "live right", seen_by=phone)
        await say_and_retract(bob, alice.jid, "a live slip", seen_by=phone)
        shown += ["from Converse", "live right", removed_by(bob)]
        await chat.wait_for_texts(shown)
    missed = [f"missed {n}" for n in range(6)]
    for text, (sender, reader) in zip(missed, [(bob, phone), (phone, bob)] * 3, strict=True):
        sender.say(reader.account.jid, text)
        await reader.wait_for_body(text)
    async with device.chat(bob.account.jid) as chat:
        await chat.wait_for_texts([*shown, *missed])


async def test_room_is_shown_with_a_correction(
    alice: Account, bob: Client, device: ConverseDevice
) -> None:
    room = f"{bob.account.user}@conference.{alice.host}"
    await bob.join(room, "bob")
    shown = [f"tea {n}" for n in range(5)]
    for text in shown:
        bob.say(room, text, type="groupchat")
        await bob.wait_for_body(text)
    async with device.room(room) as chat:
        await chat.wait_for_texts(shown)
        await chat.say("from Converse")
        await bob.wait_for_body("from Converse")
        await say_and_correct(bob, room, "wrogn", "right", seen_by=bob, type="groupchat")

        await chat.wait_for_texts([*shown, "from Converse", "right"])
