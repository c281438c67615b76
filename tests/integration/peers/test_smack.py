"""Smack's integration tests of archives, MamIntegrationTest, done with slixmpp.

Before each, the second user has everything archived, as theirs has it.
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
    """Two users, connected."""

    one: ClientXMPP
    two: ClientXMPP

    async def say(self, bodies: list[str]) -> list[str]:
        """Have the first say something to the second; return the ids when it has come."""
        arrived = asyncio.get_running_loop().create_future()

        def look(message: Message) -> None:
            if message["body"] == bodies[-1] and not arrived.done():
                arrived.set_result(None)

        self.two.add_event_handler("message", look)
        messages = [
            self.one.make_message(mto=self.two.boundjid.bare, mbody=body) for body in bodies
        ]
        for message in messages:
            message.send()
        await asyncio.wait_for(arrived, 10)
        self.two.del_event_handler("message", look)
        return [message["id"] for message in messages]


@pytest.fixture
async def pair(server: Server) -> AsyncIterator[Pair]:
    one, two = server.accounts("one", "two")
    port = server.ejabberd.ports.c2s
    async with slixmpp_client(one, port) as first, slixmpp_client(two, port) as second:
        second.register_plugin("xep_0441")
        await second.plugin["xep_0441"].set_preferences("always", timeout=10)
        yield Pair(first, second)


def archived(message: Message) -> Message:
    found: Message = message["mam_result"]["forwarded"]["stanza"]
    return found


async def test_mam_test(pair: Pair) -> None:
    """mamTest: the last message with the first user has id, body, full sender, bare recipient."""
    [id] = await pair.say(["test MAM message"])
    answer = await pair.two.plugin["xep_0313"].retrieve(
        with_jid=pair.one.boundjid.bare, rsm={"max": 1, "before": ""}, timeout=10
    )

    [message] = map(archived, answer["mam"]["results"])
    assert (message["id"], message["body"]) == (id, "test MAM message")
    assert (message["from"], message["to"]) == (pair.one.boundjid, pair.two.boundjid.bare)


async def test_mam_page_test(pair: Pair) -> None:
    """mamPageTest: thirty messages behind the newest known before are three pages of ten."""
    await pair.say(["known before"])
    mam = pair.two.plugin["xep_0313"]
    latest = await mam.retrieve(rsm={"max": 1, "before": ""}, timeout=10)
    edge = latest["mam_fin"]["rsm"]["last"]
    said = [f"MAM page test {number}" for number in range(1, PAGE * PAGES + 1)]
    await pair.say(said)
    found, complete = [], []
    for _ in range(PAGES):
        answer = await mam.retrieve(
            with_jid=pair.one.boundjid.bare, rsm={"max": PAGE, "after": edge}, timeout=10
        )
        found.append([archived(message)["body"] for message in answer["mam"]["results"]])
        complete.append(answer["mam_fin"]["complete"] == "true")
        edge = answer["mam_fin"]["rsm"]["last"]

    assert complete == [False, False, True]
    assert [len(page) for page in found] == [PAGE] * PAGES
    assert [body for page in found for body in page] == said
