"""nbxmpp and slixmpp, the libraries of Gajim and of many bots, beyond reading pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NoReturn

import pytest
from slixmpp import JID, ClientXMPP
from support import mam
from support.client_libraries import nbxmpp
from support.ejabberd import Account
from support.server import Server
from support.slixmpp_client import slixmpp_client

ROMEO, MONTAGUE = "romeo@montague.example", "montague@montague.example"


@pytest.fixture
async def alice(server: Server) -> Account:
    """A user whose archive has two messages to another user."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as client:
        for body in ("first", "last"):
            client.say(bob.jid, body)
        await client.settled()
    return alice


@pytest.fixture
async def client(server: Server, alice: Account) -> AsyncIterator[ClientXMPP]:
    """A session of alice with slixmpp."""
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        client.register_plugin("xep_0441")
        yield client


async def test_nbxmpp_sets_and_reads_preferences(
    server: Server, alice: Account, missing: Callable[[object], NoReturn]
) -> None:
    preferences = {"default": "roster", "always": [MONTAGUE, ROMEO], "never": ["spam@two.test"]}

    assert await nbxmpp(server, alice, missing, preferences=preferences) == preferences


async def test_slixmpp_sets_and_reads_preferences(client: ClientXMPP) -> None:
    plugin = client.plugin["xep_0441"]
    before = await plugin.get_preferences(timeout=10)
    await plugin.set_preferences("never", [JID(ROMEO)], [JID(MONTAGUE)], timeout=10)

    assert before == ("always", set(), set())
    assert await plugin.get_preferences(timeout=10) == ("never", {JID(ROMEO)}, {JID(MONTAGUE)})


async def test_slixmpp_reads_metadata(server: Server, client: ClientXMPP, alice: Account) -> None:
    response = await client.plugin["xep_0313"].get_archive_metadata(timeout=10)
    async with server.client(alice, "raw") as raw:
        first, last = await mam.everything(raw)

    metadata = response["mam_metadata"]
    assert (metadata["start"]["id"], metadata["end"]["id"]) == (first.id, last.id)


async def test_slixmpp_reads_the_fields_of_the_form(client: ClientXMPP) -> None:
    form = await client.plugin["xep_0313"].get_fields(timeout=10)

    assert {"with", "start", "end", "before-id", "after-id", "ids"} <= form.get_fields().keys()
