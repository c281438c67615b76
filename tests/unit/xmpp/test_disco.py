"""What the component says it is, and what it lets the server say of its users."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from support.wire import (
    ALICE_PHONE,
    COMPONENT,
    DELEGATION_1,
    DELEGATION_2,
    HOST,
    NS_DISCO,
    NS_MAM,
    NS_PING,
    Reply,
    Wire,
    found,
)


async def info(wire: Wire, node: str | None = None, asker: str = HOST) -> Reply:
    of = "" if node is None else f" node='{node}'"
    return await wire.direct(f"<query xmlns='{NS_DISCO}'{of}/>", asker=asker, type="get")


def features(reply: Reply) -> list[str]:
    return sorted(feature.get("var", "") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature"))


def identities(reply: Reply) -> list[dict[str, str]]:
    return [identity.attrib for identity in reply.iq.iter(f"{{{NS_DISCO}}}identity")]


@pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])
async def test_a_user_can_be_asked_for_an_archive_and_for_nothing_more(
    wire: Wire, version: str
) -> None:
    assert features(await info(wire, f"{version}:bare:{NS_MAM}")) == [NS_MAM]


@pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])
async def test_a_user_stays_what_the_server_says_it_is(wire: Wire, version: str) -> None:
    """The server merges what it is told: another identity would be the user's own."""
    assert identities(await info(wire, f"{version}:bare:{NS_MAM}")) == []


@pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])
async def test_the_answer_is_of_the_node_that_was_asked(wire: Wire, version: str) -> None:
    node = f"{version}:bare:{NS_MAM}"
    reply = await info(wire, node)

    assert found(reply.iq, f"{{{NS_DISCO}}}query").get("node") == node


@pytest.mark.parametrize("version", [DELEGATION_1, DELEGATION_2])
async def test_the_server_itself_has_no_archive(wire: Wire, version: str) -> None:
    """An error leaves this half of the namespace with the server."""
    assert (await info(wire, f"{version}::{NS_MAM}")).refusal == "item-not-found"


@pytest.mark.parametrize(
    "node",
    [
        "unknown",
        f"{DELEGATION_1}:bare:urn:xmpp:mam:1",
        f"{DELEGATION_1}:bare:",
        f"urn:xmpp:delegation:0:bare:{NS_MAM}",
    ],
)
async def test_an_unknown_node_is_not_found(wire: Wire, node: str) -> None:
    assert (await info(wire, node)).refusal == "item-not-found"


async def test_asking_for_an_unknown_node_does_not_make_it(wire: Wire) -> None:
    await info(wire, "unknown")

    assert (await info(wire, "unknown")).refusal == "item-not-found"


async def test_the_component_says_what_it_is(wire: Wire) -> None:
    assert identities(await info(wire, asker=ALICE_PHONE)) == [
        {"category": "component", "type": "archive", "name": "Muniment"}
    ]


async def test_the_component_says_what_it_can(wire: Wire) -> None:
    known = set(features(await info(wire, asker=ALICE_PHONE)))

    assert {NS_DISCO, NS_MAM, NS_PING} <= known


@pytest.mark.parametrize(
    "feature",
    [
        f"{NS_MAM}#extended",
        f"{NS_MAM}#groupchat-field",
        f"{NS_MAM}#groupchat-available",
        "urn:xmpp:sid:0",
        "urn:xmpp:fulltext:0",
        "urn:xmpp:message-retract:1#tombstone",
    ],
)
async def test_the_component_does_not_claim_what_it_cannot(wire: Wire, feature: str) -> None:
    said = features(await info(wire)) + features(await info(wire, f"{DELEGATION_1}:bare:{NS_MAM}"))

    assert feature not in said


async def test_discovery_is_answered_by_the_address_that_was_asked(wire: Wire) -> None:
    reply = await info(wire, asker=ALICE_PHONE)

    assert (reply.iq.get("from"), reply.iq.get("to")) == (COMPONENT, ALICE_PHONE)


async def test_an_answer_to_nobody_is_no_question(wire: Wire) -> None:
    wire.peer.send(
        f"<iq type='result' id='z' from='{HOST}' to='{COMPONENT}'><query xmlns='{NS_DISCO}'/></iq>"
    )

    await wire.nothing_comes()


async def test_discovery_survives_many_askers(wire: Wire) -> None:
    first = ET.tostring((await info(wire, asker="a0@remote.example/x")).iq[0])
    for number in range(50):
        last = await info(wire, asker=f"a{number}@remote.example/x")

    assert ET.tostring(last.iq[0]) == first
