"""Service discovery of the component, of archives, and by delegation of users."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from support.wire import (
    ALICE_PHONE,
    COMPONENT,
    DELEGATION_1,
    DELEGATION_2,
    HOST,
    NS_DISCO,
    NS_FORM,
    NS_MAM,
    NS_PING,
    NS_RSM,
    Reply,
    Wire,
    element_at,
    open_wire,
)

from component.core.hosts import Hosts
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries.disco import Item, announce

#: The features of every archive.
ARCHIVE = sorted(
    [
        NS_MAM,
        f"{NS_MAM}#extended",
        f"{NS_MAM}#groupchat-field",
        f"{NS_MAM}#groupchat-available",
        NS_RSM,
        "urn:xmpp:fulltext:0",
        "urn:xmpp:message-retract:1",
        "urn:xmpp:message-retract:1#tombstone",
    ]
)

BARE = f"{DELEGATION_1}:bare:{NS_MAM}"
OF_BOB = rf"bob\40example.org@{COMPONENT}"
NS_ITEMS = "http://jabber.org/protocol/disco#items"


async def info(
    wire: Wire, node: str | None = None, asker: str = HOST, to: str = COMPONENT
) -> Reply:
    of = "" if node is None else f" node='{node}'"
    return await wire.direct(f"<query xmlns='{NS_DISCO}'{of}/>", asker=asker, type="get", to=to)


def features(reply: Reply) -> list[str]:
    return sorted(feature.get("var", "") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature"))


def identities(reply: Reply) -> list[dict[str, str]]:
    return [identity.attrib for identity in reply.iq.iter(f"{{{NS_DISCO}}}identity")]


#: The nodes at which the server asks about itself and about the bare JIDs of its users.
DELEGATED = pytest.mark.parametrize(
    "node",
    [
        f"{version}:{half}:{NS_MAM}"
        for version in (DELEGATION_1, DELEGATION_2)
        for half in ("", "bare")
    ],
)


@DELEGATED
async def test_delegated_addresses_have_the_features_of_archives_only(
    wire: Wire, node: str
) -> None:
    assert features(await info(wire, node)) == ARCHIVE


@DELEGATED
async def test_delegated_addresses_get_no_identity_from_the_component(
    wire: Wire, node: str
) -> None:
    """The server merges the answer: an identity in it would become that of the server or user."""
    assert identities(await info(wire, node)) == []


@DELEGATED
async def test_answer_has_the_node_of_the_query(wire: Wire, node: str) -> None:
    reply = await info(wire, node)

    assert element_at(reply.iq, f"{{{NS_DISCO}}}query").get("node") == node


@pytest.mark.parametrize(
    "node",
    [
        "unknown",
        f"{DELEGATION_1}:bare:urn:xmpp:mam:1",
        f"{DELEGATION_1}:bare:",
        f"urn:xmpp:delegation:0:bare:{NS_MAM}",
    ],
)
async def test_unknown_node_is_not_found(wire: Wire, node: str) -> None:
    assert (await info(wire, node)).refusal == "item-not-found"


async def test_asking_for_an_unknown_node_does_not_make_it(wire: Wire) -> None:
    await info(wire, "unknown")

    assert (await info(wire, "unknown")).refusal == "item-not-found"


async def test_component_has_an_identity(wire: Wire) -> None:
    assert identities(await info(wire, asker=ALICE_PHONE)) == [
        {"category": "component", "type": "archive", "name": "Muniment"}
    ]


async def test_component_lists_its_features(wire: Wire) -> None:
    announced = set(features(await info(wire, asker=ALICE_PHONE)))

    assert {NS_DISCO, NS_MAM, NS_PING} <= announced


async def test_component_lists_the_features_of_archives(wire: Wire) -> None:
    assert set(ARCHIVE) <= set(features(await info(wire, asker=ALICE_PHONE)))


async def test_stanza_id_feature_is_not_announced(wire: Wire) -> None:
    """XEP-0359: an entity that advertises stanza ids must delete forged ones."""
    component, archive = [features(await info(wire, node)) for node in (None, BARE)]

    assert [feature for feature in component + archive if feature == "urn:xmpp:sid:0"] == []


async def test_groupchat_feature_is_announced_only_if_rooms_are_archived(tmp_path: Path) -> None:
    async with open_wire(tmp_path, archive={"groupchat": False}) as wire:
        replies = [await info(wire, BARE), await info(wire), await info(wire, to=OF_BOB)]

    assert [f"{NS_MAM}#groupchat-available" in features(reply) for reply in replies] == [False] * 3


@pytest.mark.parametrize(
    "local", [r"bob\40example.org", r"nobody\40example.org", r"room\40unknown.example"]
)
@pytest.mark.parametrize("asker", [ALICE_PHONE, "romeo@remote.example/x"])
async def test_every_possible_archive_answers_alike(wire: Wire, local: str, asker: str) -> None:
    address = f"{local}@{COMPONENT}"
    reply = await info(wire, asker=asker, to=address)

    assert (features(reply), reply.iq.get("from")) == (sorted([NS_DISCO, *ARCHIVE]), address)
    assert identities(reply) == [{"category": "component", "type": "archive", "name": "Muniment"}]


async def test_refusal_of_a_delegation_node_goes_to_the_full_jid_of_its_asker(wire: Wire) -> None:
    """Only answers to a virtual host get a resource that the query did not have."""
    reply = await info(wire, BARE, asker=ALICE_PHONE)

    assert (reply.iq.get("to"), reply.refusal) == (ALICE_PHONE, "item-not-found")


@pytest.mark.parametrize("node", [BARE, "unknown"])
async def test_archive_has_no_nodes(wire: Wire, node: str) -> None:
    assert (await info(wire, node, to=OF_BOB)).refusal == "item-not-found"


@pytest.mark.parametrize("address", [f"bob@{COMPONENT}", f"{OF_BOB}/x", f"{COMPONENT}/x"])
async def test_other_addresses_are_not_found(wire: Wire, address: str) -> None:
    assert (await info(wire, to=address)).refusal == "item-not-found"


@pytest.fixture
async def extended(wire: Wire) -> Wire:
    """A component with features beside archives."""
    commands = Item(node="urn:c", under="", name="Commands", category="automation", kind="list")
    command = Item(
        node="do",
        under="urn:c",
        name="Do it",
        category="automation",
        kind="node",
        features=("urn:c", NS_FORM),
    )
    announce(
        wire.stream,
        Hosts([HOST]),
        Addresses(),
        groupchat=True,
        features=["urn:c"],
        items=lambda: [commands, command],
    )
    return wire


async def items(wire: Wire, node: str | None) -> list[dict[str, str]]:
    of = "" if node is None else f" node='{node}'"
    reply = await wire.direct(f"<query xmlns='{NS_ITEMS}'{of}/>", type="get")
    return [item.attrib for item in reply.iq.iter(f"{{{NS_ITEMS}}}item")]


async def test_further_features_are_listed_for_the_component_only(extended: Wire) -> None:
    replies = [await info(extended), await info(extended, BARE), await info(extended, to=OF_BOB)]

    assert ["urn:c" in features(reply) for reply in replies] == [True, False, False]


async def test_items_are_listed_under_their_node(extended: Wire) -> None:
    commands = {"jid": COMPONENT, "node": "urn:c", "name": "Commands"}

    assert commands in await items(extended, None)
    assert await items(extended, "urn:c") == [{"jid": COMPONENT, "node": "do", "name": "Do it"}]


async def test_item_has_its_identity_and_features(extended: Wire) -> None:
    reply = await info(extended, "do")

    assert identities(reply) == [{"category": "automation", "type": "node", "name": "Do it"}]
    assert features(reply) == sorted(["urn:c", NS_FORM])


async def test_disco_answer_comes_from_the_address_that_was_asked(wire: Wire) -> None:
    reply = await info(wire, asker=ALICE_PHONE)

    assert (reply.iq.get("from"), reply.iq.get("to")) == (COMPONENT, ALICE_PHONE)


async def test_iq_result_without_request_is_ignored(wire: Wire) -> None:
    wire.peer.send(
        f"<iq type='result' id='z' from='{HOST}' to='{COMPONENT}'><query xmlns='{NS_DISCO}'/></iq>"
    )

    await wire.nothing_comes()


async def test_discovery_survives_many_askers(wire: Wire) -> None:
    first = ET.tostring((await info(wire, asker="a0@remote.example/x")).iq[0])
    for number in range(50):
        last = await info(wire, asker=f"a{number}@remote.example/x")

    assert ET.tostring(last.iq[0]) == first
