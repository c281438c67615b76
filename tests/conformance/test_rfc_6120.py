"""RFC 6120 section 8: every IQ of type get or set is answered, from any sender at any address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.wire import ALICE_PHONE, COMPONENT, DELEGATION_1, HOST, NS_CLIENT, Wire, open_wire

ASKERS = [HOST, ALICE_PHONE, "pubsub.example.org", "romeo@elsewhere.example/x"]
ADDRESSES = [COMPONENT, f"x@{COMPONENT}", f"x@{COMPONENT}/y", rf"alice\\40{HOST}@{COMPONENT}"]

#: Malformed and unknown payloads, each with its condition (sections 8.2.3 and 8.4).
REFUSED_PAYLOADS = {
    "": "bad-request",
    "<a xmlns='urn:a'/><b xmlns='urn:b'/>": "bad-request",
    "<query xmlns='urn:unknown'/>": "service-unavailable",
    f"<delegation xmlns='{DELEGATION_1}'/>": "forbidden",
}

#: Conditions of section 8.3.3 that refuse a query.
REFUSALS = {
    "bad-request",
    "feature-not-implemented",
    "forbidden",
    "item-not-found",
    "not-allowed",
    "resource-constraint",
    "service-unavailable",
}


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    async with open_wire(tmp_path, granted=[]) as opened:
        yield opened


@pytest.mark.parametrize("type", ["get", "set"])
@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("to", ADDRESSES)
async def test_every_supported_query_is_answered(
    wire: Wire, to: str, asker: str, type: str
) -> None:
    """8.2.3: "An entity that receives an IQ request of type "get" or "set" MUST reply with an IQ
    response of type "result" or "error"." The payload is empty, and its type may be wrong."""
    payloads = sorted(wire.queries.payloads)
    assert len(payloads) >= 10
    for payload in payloads:
        namespace, _, name = payload[1:].partition("}")

        reply = await wire.direct(f"<{name} xmlns='{namespace}'/>", asker=asker, to=to, type=type)

        assert (reply.outer.get("from"), reply.outer.get("to")) == (to, asker)
        assert reply.outer.get("type") == "result" or reply.refusal in REFUSALS, payload


@pytest.mark.parametrize("name", ["info", "items"])
async def test_disco_set_is_refused(wire: Wire, name: str) -> None:
    payload = f"<query xmlns='http://jabber.org/protocol/disco#{name}'/>"

    assert (await wire.direct(payload, type="set")).refusal == "bad-request"


@pytest.mark.parametrize("asker", [HOST, ALICE_PHONE])
async def test_delegation_get_is_refused(wire: Wire, asker: str) -> None:
    payload = f"<delegation xmlns='{DELEGATION_1}'/>"

    assert (await wire.direct(payload, asker=asker, type="get")).refusal == "bad-request"


async def test_delegation_without_a_query_is_refused(wire: Wire) -> None:
    payload = f"<delegation xmlns='{DELEGATION_1}'/>"

    assert (await wire.direct(payload, asker=HOST)).refusal == "bad-request"


@pytest.mark.parametrize("type", ["get", "set"])
@pytest.mark.parametrize(("payload", "condition"), REFUSED_PAYLOADS.items())
async def test_malformed_or_unknown_payload_is_refused(
    wire: Wire, payload: str, condition: str, type: str
) -> None:
    """8.2.3: "MUST contain exactly one child element"; 8.4: a child element of an unknown
    namespace is answered with "service-unavailable"."""
    expected = {condition, "bad-request"} if "delegation" in payload else {condition}

    assert (await wire.direct(payload, type=type)).refusal in expected


async def test_unknown_iq_type_is_refused(wire: Wire) -> None:
    """8.3.3.1: "bad-request", where "an IQ stanza includes an unrecognized value of the 'type'
    attribute"."""
    assert (
        await wire.direct("<ping xmlns='urn:xmpp:ping'/>", type="ask")
    ).refusal == "bad-request"


@pytest.mark.parametrize("inside", ["", "<a xmlns='urn:a'/><b xmlns='urn:b'/>"])
async def test_delegated_query_without_exactly_one_child_is_refused(
    wire: Wire, inside: str
) -> None:
    reply = await wire.delegated(inside)

    assert (reply.outer.get("type"), reply.refusal) == ("result", "bad-request")


async def test_query_too_deep_or_too_large_for_the_gate_is_policy_violation(wire: Wire) -> None:
    await wire.caught_up()
    for inside in ("<x>" * 600 + "</x>" * 600, "x" * 400_000):
        reply = await wire.direct(f"<query xmlns='{NS_CLIENT}'>{inside}</query>")

        assert reply.refusal == "policy-violation"


async def test_query_with_too_long_an_id_is_refused(wire: Wire) -> None:
    reply = await wire.direct("<query xmlns='urn:xmpp:mam:2'/>", id="i" * 2000)

    assert reply.refusal == "bad-request"


async def test_too_long_a_query_is_policy_violation(wire: Wire) -> None:
    reply = await wire.direct(f"<query xmlns='urn:xmpp:mam:2'>{'x' * 70_000}</query>")

    assert reply.refusal == "policy-violation"
