"""Unneeded stanzas from strangers create no objects and are not remembered."""

from __future__ import annotations

import pytest
from support.wire import ALICE_PHONE, COMPONENT, NS_DISCO, NS_PING, Wire, chat

MANY = 2000


@pytest.mark.parametrize(
    "stanza",
    [
        "<presence from='x{n}@strangers.example/y' to='a{n}@{component}'/>",
        "<presence from='x{n}@strangers.example/y' to='a{n}@{component}' type='probe'/>",
        "<presence from='x{n}@strangers.example' to='a{n}@{component}' type='subscribed'/>",
        "<message from='x{n}@strangers.example/y' to='a{n}@{component}'><body>x</body></message>",
        "<message from='x{n}@strangers.example/y' to='a{n}@{component}'>"
        "<privilege xmlns='urn:xmpp:privilege:1'/></message>",
        "<iq type='result' id='i{n}' from='x{n}@strangers.example/y' to='a{n}@{component}'>"
        f"<query xmlns='{NS_DISCO}'/></iq>",
        "<iq type='error' id='i{n}' from='x{n}@strangers.example/y' to='a{n}@{component}'/>",
    ],
)
async def test_unneeded_stanza_reaches_no_handler_and_is_not_remembered(
    wire: Wire, stanza: str
) -> None:
    await wire.caught_up()
    built: list[object] = []
    wire.stream.add_filter("in", lambda stanza: built.append(stanza) or stanza)
    disco = wire.stream.plugin["xep_0030"].static

    for n in range(MANY):
        wire.peer.send(stanza.format(n=n, component=COMPONENT))
    await wire.caught_up()

    assert len(built) == 1  # the ping that shows that all stanzas were read
    assert list(wire.stream.roster) == [COMPONENT]
    assert not wire.stream.client_roster.keys()
    assert len(disco.nodes) < MANY


async def test_iq_to_made_up_address_is_not_remembered(wire: Wire) -> None:
    for n in range(MANY // 10):
        sender, to = f"x{n}@strangers.example/y", f"a{n}@{COMPONENT}"
        for payload in (f"<ping xmlns='{NS_PING}'/>", f"<query xmlns='{NS_DISCO}' node='{n}'/>"):
            await wire.direct(payload, asker=sender, to=to, type="get")

    assert list(wire.stream.roster) == [COMPONENT]
    assert len(wire.stream.plugin["xep_0030"].static.nodes) < MANY // 10
    assert wire.queries.turns.pending == 0


async def test_subscription_request_is_answered_unsubscribed(wire: Wire) -> None:
    """RFC 6121 3.1.3: a request that is not granted is answered with "unsubscribed"."""
    await wire.caught_up()
    wire.peer.send(f"<presence type='subscribe' from='{ALICE_PHONE}' to='x@{COMPONENT}/y'/>")

    answer = await wire.next_sent()

    assert (answer.get("type"), answer.get("from"), answer.get("to")) == (
        "unsubscribed",
        f"x@{COMPONENT}",
        ALICE_PHONE.partition("/")[0],
    )


async def test_copies_and_responses_are_handled_after_unneeded_stanzas(wire: Wire) -> None:
    wire.say("hello")

    assert await wire.bodies("alice@example.org") == ["hello"]
    assert chat("x")
