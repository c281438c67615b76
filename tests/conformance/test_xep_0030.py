"""XEP-0030: Service Discovery, version 2.5.0, of the component and of its archives."""

from __future__ import annotations

import pytest
from support.wire import (
    ALICE_PHONE,
    COMPONENT,
    DELEGATION_1,
    DELEGATION_2,
    HOST,
    NS_DISCO,
    NS_MAM,
    Reply,
    Wire,
    element_at,
)

NS_ITEMS = "http://jabber.org/protocol/disco#items"
BARE = f"{DELEGATION_1}:bare:{NS_MAM}"
ARCHIVE = rf"alice\40{HOST}@{COMPONENT}"


async def info(wire: Wire, node: str | None = None, asker: str = ALICE_PHONE) -> Reply:
    attribute = "" if node is None else f" node='{node}'"
    return await wire.direct(f"<query xmlns='{NS_DISCO}'{attribute}/>", asker=asker, type="get")


async def test_info_query_is_answered(wire: Wire) -> None:
    """3.1: "The target entity then MUST either return an IQ result, or return an error"."""
    reply = await info(wire)

    assert (reply.iq.get("type"), reply.iq.get("from"), reply.iq.get("to")) == (
        "result",
        COMPONENT,
        ALICE_PHONE,
    )


async def test_component_has_an_identity(wire: Wire) -> None:
    """3.1: "Every entity MUST have at least one identity"."""
    reply = await info(wire)

    assert list(reply.iq.iter(f"{{{NS_DISCO}}}identity")) != []


async def test_identity_has_a_category_and_a_type(wire: Wire) -> None:
    """3.1: "The <identity/> element MUST possess the 'category' and 'type' attributes"."""
    reply = await info(wire)

    identities = list(reply.iq.iter(f"{{{NS_DISCO}}}identity"))
    assert all(identity.get("category") and identity.get("type") for identity in identities)


async def test_every_feature_has_a_var(wire: Wire) -> None:
    """3.1: "The <feature/> element MUST possess a 'var' attribute"."""
    reply = await info(wire)

    assert all(feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature"))


async def test_discovery_itself_is_a_feature(wire: Wire) -> None:
    """3.1: "every entity MUST support at least the 'http://jabber.org/protocol/disco#info'
    feature"."""
    reply = await info(wire)

    assert NS_DISCO in {feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


async def test_each_feature_is_listed_once(wire: Wire) -> None:
    """XEP-0115 section 5.4 (paraphrase): a feature that is listed twice makes the answer
    invalid."""
    names = [
        feature.get("var") for feature in (await info(wire)).iq.iter(f"{{{NS_DISCO}}}feature")
    ]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "node", [BARE, f"{DELEGATION_2}:bare:{NS_MAM}", f"{DELEGATION_1}::{NS_MAM}"]
)
async def test_queried_node_is_in_the_answer(wire: Wire, node: str) -> None:
    """3.2: "If the request included a 'node' attribute, the response MUST mirror the specified
    'node' attribute"."""
    reply = await info(wire, node, asker=HOST)

    assert element_at(reply.iq, f"{{{NS_DISCO}}}query").get("node") == node


@pytest.mark.parametrize("node", ["unknown", f"{DELEGATION_1}::urn:xmpp:mam:1"])
async def test_unknown_node_is_not_found(wire: Wire, node: str) -> None:
    """3.1, 7: <item-not-found/>: "The JID or JID+NodeID of the specified target entity does not
    exist"."""
    assert (await info(wire, node)).refusal == "item-not-found"


async def test_address_of_an_archive_is_an_entity(wire: Wire) -> None:
    """3.1: "Every entity MUST have at least one identity, and every entity MUST support at least
    the 'http://jabber.org/protocol/disco#info' feature"."""
    reply = await wire.direct(f"<query xmlns='{NS_DISCO}'/>", type="get", to=ARCHIVE)

    assert reply.iq.get("from") == ARCHIVE
    assert len(list(reply.iq.iter(f"{{{NS_DISCO}}}identity"))) == 1
    assert NS_DISCO in {feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


@pytest.mark.parametrize("address", [f"nobody@{COMPONENT}", f"{ARCHIVE}/x"])
async def test_address_of_no_archive_is_not_found(wire: Wire, address: str) -> None:
    """3.1, 7: <item-not-found/>: "The JID or JID+NodeID of the specified target entity does not
    exist"."""
    reply = await wire.direct(f"<query xmlns='{NS_DISCO}'/>", type="get", to=address)

    assert reply.refusal == "item-not-found"


async def test_unknown_node_has_no_items(wire: Wire) -> None:
    """4.1, 7: the condition is the same as for disco#info."""
    reply = await wire.direct(f"<query xmlns='{NS_ITEMS}' node='unknown'/>", type="get")

    assert reply.refusal == "item-not-found"


async def test_entity_without_items_returns_an_empty_query(wire: Wire) -> None:
    """4.1: "if an entity has no associated items [...] the target entity MUST return an empty
    <query/> element" (paraphrase)."""
    reply = await wire.direct(f"<query xmlns='{NS_ITEMS}'/>", type="get", to=ARCHIVE)

    assert (reply.iq.get("type"), list(element_at(reply.iq, f"{{{NS_ITEMS}}}query"))) == (
        "result",
        [],
    )
