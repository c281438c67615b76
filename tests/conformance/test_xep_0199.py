"""XEP-0199: XMPP Ping, version 2.0.1, in both directions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.wire import (
    ALICE_PHONE,
    COMPONENT,
    HOST,
    NS_DISCO,
    NS_PING,
    NS_STANZAS,
    Wire,
    open_wire,
)

from component.xmpp.connection.connector import Timeouts

PING = f"<ping xmlns='{NS_PING}'/>"
PING_SOON = Timeouts(ping_interval=0.1, ping_timeout=0.1, reconnect_max=0.1, drain=5.0)


@pytest.fixture
async def pinging_wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that pings every 0.1 seconds."""
    async with open_wire(tmp_path, patience=PING_SOON, granted=[]) as wire:
        yield wire


@pytest.mark.parametrize("asker", [HOST, ALICE_PHONE])
async def test_ping_is_answered(wire: Wire, asker: str) -> None:
    """4.3, 4.4: "If the other party to the stream supports the ping namespace, it MUST return an
    IQ-result"."""
    reply = await wire.direct(PING, asker=asker, type="get")

    assert (reply.iq.get("type"), reply.iq.get("to")) == ("result", asker)


async def test_answer_is_empty(wire: Wire) -> None:
    """4.3: the example of a "Pong" has no child."""
    reply = await wire.direct(PING, type="get")

    assert len(reply.iq) == 0


async def test_support_is_reported(wire: Wire) -> None:
    """5: "If an entity supports the XMPP Ping protocol, it MUST report that by including a service
    discovery feature of "urn:xmpp:ping""."""
    reply = await wire.direct(f"<query xmlns='{NS_DISCO}'/>", type="get")

    assert NS_PING in {feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


async def test_ping_is_a_get_with_a_ping_inside(pinging_wire: Wire) -> None:
    """3: "The pinging entity sends an IQ-get containing a <ping/> element qualified by the
    'urn:xmpp:ping' namespace"."""
    ping = await pinging_wire.next_sent()

    assert (ping.get("type"), [child.tag for child in ping]) == ("get", [f"{{{NS_PING}}}ping"])


async def test_ping_goes_to_the_server(pinging_wire: Wire) -> None:
    """4.5 (paraphrase): the component pings a virtual host of its server."""
    ping = await pinging_wire.next_sent()

    assert (ping.get("from"), ping.get("to")) == (COMPONENT, f"{HOST}/muniment")


async def test_error_is_an_answer(pinging_wire: Wire) -> None:
    """3: "The pinged entity returns either an IQ-result (if it supports the namespace) or an
    IQ-error (if it does not)": the stream is viable either way."""
    for _ in range(3):
        ping = await pinging_wire.next_sent()
        pinging_wire.peer.send(
            f"<iq type='error' id='{ping.get('id')}' from='{HOST}' to='{COMPONENT}'>{PING}"
            f"<error type='cancel'><service-unavailable xmlns='{NS_STANZAS}'/></error></iq>"
        )

    assert pinging_wire.stream.is_up


async def test_unanswered_ping_ends_the_stream(pinging_wire: Wire) -> None:
    """2: "Determining the viability of an XML stream (i.e., its underlying binding)"."""
    await pinging_wire.next_sent()
    await pinging_wire.peer.connection_closed()

    await pinging_wire.welcome()
