"""MongooseIM big_tests, mam_SUITE: discovery, and ids of live messages, on ejabberd.

Each test has the name of the case in their suite. Where a component cannot do the same as their
server, the docstring says what Muniment promises instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import pytest
from support import mam
from support.mam_payloads import GET_FEATURES, features_in
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


async def features(client: Client, address: str) -> set[str]:
    return features_in(await client.ask("get", GET_FEATURES, to=address))


def stanza_ids(message: Element) -> list[Element]:
    return list(message.iter(f"{{{NS_SID}}}stanza-id"))


async def test_mam_service_discovery_to_client_bare_jid(alice: Client) -> None:
    assert await features(alice, alice.account.jid) >= FEATURES


async def test_mam_service_discovery(server: Server, alice: Client) -> None:
    """In their suite the address of the server lists the features of archives. Here it does so
    too, and the component lists them for the archives that it answers for."""
    assert await features(alice, server.ejabberd.component) >= FEATURES
    assert await features(alice, alice.account.host) >= FEATURES


async def test_mam_service_discovery_to_different_client_bare_jid_results_in_error(
    alice: Client, bob: Client
) -> None:
    with pytest.raises(Refused):
        await features(alice, bob.account.jid)


async def test_archived(alice: Client, bob: Client) -> None:
    """In their suite the live message has its id of the archive. Here it has none, and XEP-0359 is
    not advertised; the message in the archive has the id of the live message."""
    id = alice.say(bob.account.jid, "OH, HAI!")
    live = await bob.wait_for_body("OH, HAI!")
    [archived] = await mam.everything(bob)

    assert (stanza_ids(live), archived.message_id, live.get("id")) == ([], id, id)
    for address in (bob.account.jid, bob.account.host):
        assert NS_SID not in await features(bob, address)


async def test_message_with_stanzaid(alice: Client, bob: Client) -> None:
    """Their server adds a stanza-id. Here the archived message has the same children as the live
    one."""
    alice.say(bob.account.jid, "OH, HAI!", extra="<thread>t1</thread>")
    live = await bob.wait_for_body("OH, HAI!")
    [archived] = await mam.everything(bob)

    assert [child.tag for child in archived.message] == [child.tag for child in live]
    assert archived.message.findtext(f"{CLIENT}thread") == "t1"


async def test_stanza_id_is_appended_to_carbons(
    server: Server, alice: Client, bob: Client
) -> None:
    """In their suite carbons have the id too. Here neither the message nor its carbons have an id,
    and they are one message in each archive."""
    async with server.client(alice.account, "two") as laptop:
        await laptop.enable_carbons()
        await laptop.be_available()
        alice.say(bob.jid, "OH, HAI!")
        carbon = await laptop.wait_for(lambda stanza: stanza.find(SENT) is not None)

        assert stanza_ids(carbon) == []
        assert await mam.bodies(laptop) == ["OH, HAI!"]
