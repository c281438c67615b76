"""Profanity, a client for terminals, on archives as its users have them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NoReturn

import pytest
from support.changes import RETRACTED, say_and_correct, say_and_retract
from support.ejabberd import Account
from support.profanity import Profanity, missing_programs
from support.raw import Client
from support.server import Server
from support.traffic import say_in_turn

#: More than the page of 50 that Profanity asks for, fewer than the two that release 0.13 reads.
COUNT = 70

HISTORY = [f"message {n}" for n in range(COUNT)]

#: A message: time, nick or address, text; beside a room is the list of its occupants.
_LINE = re.compile(r"\d\d:\d\d:\d\d [-+] \S+: (.*?)(?: {3}.*)?")


@pytest.fixture(autouse=True)
def _installed(missing: Callable[[object], NoReturn]) -> None:
    if programs := missing_programs():
        missing(f"install {' and '.join(programs)}")


@pytest.fixture
def alice(server: Server) -> Account:
    """The user of Profanity."""
    return server.account("alice")


@pytest.fixture
async def bob(server: Server) -> AsyncIterator[Client]:
    """A contact who stays online."""
    async with server.client(server.account("bob")) as client:
        await client.be_available()
        yield client


@pytest.fixture
def device(server: Server, alice: Account, tmp_path: Path) -> Profanity:
    """A device of the user on which Profanity never ran."""
    return Profanity(tmp_path / "device", alice, server.ejabberd.ports.c2s)


def texts(screen: list[str]) -> list[str]:
    """Return the texts of the messages on a screen, from top to bottom."""
    return [line[1] for line in map(_LINE.fullmatch, screen) if line]


async def wait_for_texts(device: Profanity, expected: list[str]) -> None:
    """Return when a screen has these texts and no other, after scrolling up if need be."""
    await device.scroll_until(
        lambda screen: texts(screen) == expected, f"{expected[0]} to {expected[-1]}, each once"
    )


async def test_fresh_device_shows_history_as_it_is_after_changes(
    server: Server, alice: Account, bob: Client, device: Profanity
) -> None:
    async with server.client(alice) as phone:
        await say_in_turn(phone, bob, COUNT)
        await say_and_correct(bob, alice.jid, "wrogn", "right", seen_by=phone)
        await say_and_retract(bob, alice.jid, "a slip", seen_by=phone)
    async with device:
        await device.open_chat(bob.account.jid)

        await wait_for_texts(device, [*HISTORY, "right", RETRACTED])


async def test_changes_are_shown_while_profanity_runs(
    server: Server, alice: Account, bob: Client, device: Profanity
) -> None:
    async with server.client(alice) as phone, device:
        await phone.be_available()
        await phone.enable_carbons()
        await device.open_chat(bob.account.jid)
        await device.type("from Profanity")
        await bob.wait_for_body("from Profanity")
        phone.say(bob.account.jid, "from the phone")
        await bob.wait_for_body("from the phone")
        await say_and_correct(bob, alice.jid, "wrogn", "right", seen_by=phone)
        await say_and_retract(bob, alice.jid, "a slip", seen_by=phone)

        # Profanity knows no retractions.
        shown = ["from Profanity", "from the phone", "right", "a slip", RETRACTED]
        await wait_for_texts(device, shown)


async def test_return_after_an_absence_shows_each_message_once(
    server: Server, alice: Account, bob: Client, device: Profanity
) -> None:
    async with server.client(alice) as phone:
        await say_in_turn(phone, bob, 9)
        await phone.enable_carbons()
        async with device:
            await device.open_chat(bob.account.jid)
            await wait_for_texts(device, HISTORY[:9])
            # Not from Profanity itself: 0.13 shows its own messages only until it ends.
            bob.say(alice.jid, "live")
            await device.wait_for("live")
            phone.say(bob.account.jid, "live from the phone")
            await wait_for_texts(device, [*HISTORY[:9], "live", "live from the phone"])
        for n, (sender, to) in enumerate([(bob, alice), (phone, bob.account)] * 3):
            sender.say(to.jid, f"missed {n}")
            await (phone if sender is bob else bob).wait_for_body(f"missed {n}")
        async with device:
            await device.open_chat(bob.account.jid)

            missed = [f"missed {n}" for n in range(6)]
            await wait_for_texts(device, [*HISTORY[:9], "live", "live from the phone", *missed])


async def test_room_is_shown_with_a_correction(
    alice: Account, bob: Client, device: Profanity
) -> None:
    room = f"{bob.account.user}@conference.{alice.host}"
    await bob.join(room, "bob")
    for n in range(5):
        bob.say(room, f"tea {n}", type="groupchat")
        await bob.wait_for_body(f"tea {n}")
    async with device:
        await device.type(f"/join {room}")
        await wait_for_texts(device, [f"tea {n}" for n in range(5)])
        await device.type("from Profanity")
        await bob.wait_for_body("from Profanity")
        await say_and_correct(bob, room, "wrogn", "right", seen_by=bob, type="groupchat")

        await wait_for_texts(device, [f"tea {n}" for n in range(5)] + ["from Profanity", "right"])
