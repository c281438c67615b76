"""Smack's integration tests of archives, MamIntegrationTest, with slixmpp.

As in their suite, the second user first sets the default of the preferences to `always`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from slixmpp import ClientXMPP, Message
from support.server import Server
from support.slixmpp_client import slixmpp_client

PAGE, PAGES = 10, 3


@dataclass(frozen=True)
class Pair:
    """Sessions of two users."""

    sender: ClientXMPP
    recipient: ClientXMPP

    async def say(self, bodies: list[str]) -> list[str]:
        """Send messages to the second user; return their ids after the last one arrived."""
        arrived = asyncio.get_running_loop().create_future()

        def look(message: Message) -> None:
            if message["body"] == bodies[-1] and not arrived.done():
                arrived.set_result(None)

        self.recipient.add_event_handler("message", look)
        messages = [
            self.sender.make_message(mto=self.recipient.boundjid.bare, mbody=body)
            for body in bodies
        ]
        for message in messages:
            message.send()
        await asyncio.wait_for(arrived, 10)
        self.recipient.del_event_handler("message", look)
        return [message["id"] for message in messages]


@pytest.fixture
async def pair(server: Server) -> AsyncIterator[Pair]:
    sender, recipient = server.accounts("one", "two")
    port = server.ejabberd.ports.c2s
    async with (
        slixmpp_client(sender, port) as first,
        slixmpp_client(recipient, port) as second,
    ):
        second.register_plugin("xep_0441")
        await second.plugin["xep_0441"].set_preferences("always", timeout=10)
        yield Pair(first, second)


def archived(message: Message) -> Message:
    stanza: Message = message["mam_result"]["forwarded"]["stanza"]
    return stanza


async def test_mam_test(pair: Pair) -> None:
    """mamTest: the last message has its id, its body, the full sender and a bare `to`."""
    [id] = await pair.say(["test MAM message"])
    response = await pair.recipient.plugin["xep_0313"].retrieve(
        with_jid=pair.sender.boundjid.bare, rsm={"max": 1, "before": ""}, timeout=10
    )

    [message] = map(archived, response["mam"]["results"])
    assert (message["id"], message["body"]) == (id, "test MAM message")
    assert (message["from"], message["to"]) == (pair.sender.boundjid, pair.recipient.boundjid.bare)


async def test_mam_page_test(pair: Pair) -> None:
    """mamPageTest: 30 messages after the newest known message are 3 pages of 10."""
    await pair.say(["known before"])
    mam = pair.recipient.plugin["xep_0313"]
    latest = await mam.retrieve(rsm={"max": 1, "before": ""}, timeout=10)
    edge = latest["mam_fin"]["rsm"]["last"]
    bodies = [f"MAM page test {number}" for number in range(1, PAGE * PAGES + 1)]
    await pair.say(bodies)
    pages, complete = [], []
    for _ in range(PAGES):
        response = await mam.retrieve(
            with_jid=pair.sender.boundjid.bare, rsm={"max": PAGE, "after": edge}, timeout=10
        )
        pages.append([archived(message)["body"] for message in response["mam"]["results"]])
        complete.append(response["mam_fin"]["complete"] == "true")
        edge = response["mam_fin"]["rsm"]["last"]

    assert complete == [False, False, True]
    assert [len(page) for page in pages] == [PAGE] * PAGES
    assert [body for page in pages for body in page] == bodies
