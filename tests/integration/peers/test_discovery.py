"""MongooseIM big_tests, mam_SUITE: discovery, and what live messages show, on ejabberd.

Each test has the name of theirs; where a component cannot do what theirs does, the docstring says
what we promise instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import pytest
from support import mam
from support.asking import GET_FEATURES, features_in
from support.raw import Client
from support.server import Server
from support.stanzas import CLIENT, Refused

NS_MAM = "urn:xmpp:mam:2"
NS_RETRACT = "urn:xmpp:message-retract:1"
NS_SID = "urn:xmpp:sid:0"

SENT = "{urn:xmpp:carbons:2}sent"

FEATURES = {
    NS_MAM,
    f"{NS_MAM}#extended",
    f"{NS_MAM}#groupchat-field",
    f"{NS_MAM}#groupchat-available",
    NS_RETRACT,
    f"{NS_RETRACT}#tombstone",
    "urn:xmpp:fulltext:0",
}


@pytest.fixture
async def alice(server: Server) -> AsyncIterator[Client]:
    async with server.client(server.account("alice")) as client:
        await client.enable_carbons()
        await client.be_available()
        yield client


@pytest.fixture
async def bob(server: Server) -> AsyncIterator[Client]:
    async with server.client(server.account("bob")) as client:
        await client.enable_carbons()
        await client.be_available()
        yield client


async def features(client: Client, of: str) -> set[str]:
    return features_in(await client.ask("get", GET_FEATURES, to=of))


def stanza_ids(message: Element) -> list[Element]:
    return list(message.iter(f"{{{NS_SID}}}stanza-id"))


async def test_mam_service_discovery_to_client_bare_jid(alice: Client) -> None:
    assert await features(alice, alice.account.jid) >= FEATURES


async def test_mam_service_discovery(server: Server, alice: Client) -> None:
    """Theirs: the server's own address lists what archives can do. So does ours, and beside it
    the component, for the archives that are asked for there."""
    assert await features(alice, server.ejabberd.component) >= FEATURES
    assert await features(alice, alice.account.host) >= FEATURES


async def test_mam_service_discovery_to_different_client_bare_jid_results_in_error(
    alice: Client, bob: Client
) -> None:
    with pytest.raises(Refused):
        await features(alice, bob.account.jid)


async def test_archived(alice: Client, bob: Client) -> None:
    """Theirs: the live message has the id that it has in the archive. Ours has none, and nobody
    is told that it had one; the message is found by its own id."""
    id = alice.say(bob.account.jid, "OH, HAI!")
    live = await bob.wait_for_body("OH, HAI!")
    [found] = await mam.everything(bob)

    assert (stanza_ids(live), found.message_id, live.get("id")) == ([], id, id)
    for address in (bob.account.jid, bob.account.host):
        assert NS_SID not in await features(bob, address)


async def test_message_with_stanzaid(alice: Client, bob: Client) -> None:
    """Theirs adds a stanza-id. Ours: what comes out of the archive is, child by child, what the
    client saw live."""
    alice.say(bob.account.jid, "OH, HAI!", extra="<thread>t1</thread>")
    live = await bob.wait_for_body("OH, HAI!")
    [found] = await mam.everything(bob)

    assert [child.tag for child in found.message] == [child.tag for child in live]
    assert found.message.findtext(f"{CLIENT}thread") == "t1"


async def test_stanza_id_is_appended_to_carbons(
    server: Server, alice: Client, bob: Client
) -> None:
    """Theirs: carbons have the id too. Ours: neither they nor the message have one, and message
    and carbons are one message in each archive."""
    async with server.client(alice.account, "two") as laptop:
        await laptop.enable_carbons()
        await laptop.be_available()
        alice.say(bob.jid, "OH, HAI!")
        carbon = await laptop.wait_for(lambda stanza: stanza.find(SENT) is not None)

        assert stanza_ids(carbon) == []
        assert await mam.bodies(laptop) == ["OH, HAI!"]
