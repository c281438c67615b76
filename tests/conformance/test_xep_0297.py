"""XEP-0297: Stanza Forwarding, version 1.0: in copies of the server and in results."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB_PHONE,
    COMPONENT,
    HOST,
    NS_CLIENT,
    NS_DELAY,
    NS_FORWARD,
    NS_MAM,
    Wire,
    chat,
    copy_of,
    element_at,
    query,
)


async def forwarded(wire: Wire) -> ET.Element:
    """Return the <forwarded/> of the single message in the archive of alice."""
    [result] = (await wire.history()).results
    return element_at(result, f"{{{NS_FORWARD}}}forwarded")


async def test_all_children_of_the_original_are_forwarded(wire: Wire) -> None:
    """3.2, rule 1: "Forwarded stanzas SHOULD include all relevant child elements of the original
    stanza by default"."""
    wire.log_copy(chat("hello", extra="<thread>t</thread><a xmlns='urn:a'/><b xmlns='urn:b'/>"))
    message = element_at(await forwarded(wire), f"{{{NS_CLIENT}}}message")

    assert [child.tag for child in message] == [
        f"{{{NS_CLIENT}}}body",
        f"{{{NS_CLIENT}}}thread",
        "{urn:a}a",
        "{urn:b}b",
    ]


async def test_forwarded_has_the_time_of_receipt(wire: Wire) -> None:
    """3.2, rule 2: "SHOULD add a <delay/> child to the <forwarded/> element to indicate to the
    recipient the date/time that the forwarding entity received the original stanza"."""
    wire.say("hello")

    assert (await forwarded(wire)).find(f"{{{NS_DELAY}}}delay") is not None


async def test_namespace_of_the_original_is_kept(wire: Wire) -> None:
    """3.2, rule 3: "The namespace of the forwarded stanza MUST be preserved (this is typically
    'jabber:client')"."""
    wire.say("hello")

    assert (await forwarded(wire)).find(f"{{{NS_CLIENT}}}message") is not None


async def test_copy_without_client_namespace_is_ignored(wire: Wire) -> None:
    """3.2, rule 3: "If no 'xmlns' is set for the stanza then [...] it would inherit the
    'urn:xmpp:forward:0' namespace, which is wrong"."""
    wire.peer.send(copy_of(chat("hello")).replace(f" xmlns='{NS_CLIENT}'", ""))

    assert (await wire.history()).results == []


async def test_forwarded_is_a_child_of_the_result(wire: Wire) -> None:
    """3.2, rule 5: "the <forwarded/> element SHOULD be a child of a tag of that protocol, and
    SHOULD NOT be included as a direct child of the transmitted stanza"."""
    wire.say("hello")
    messages = (await wire.history()).messages + (await wire.direct(query())).messages

    assert [message[0].tag for message in messages] == [f"{{{NS_MAM}}}result"] * 2
    assert [message.find(f"{{{NS_FORWARD}}}forwarded") for message in messages] == [None, None]


@pytest.mark.parametrize("sender", [ALICE_PHONE, "romeo@remote.example/x", "evil.example"])
async def test_unsolicited_forwarded_stanza_is_ignored(wire: Wire, sender: str) -> None:
    """6.1: "An entity SHOULD NOT trust that forwards are genuine when receiving them unprovoked
    (i.e. outside the scope of another specification)"."""
    wire.peer.send(copy_of(chat("forged", sender=BOB_PHONE, to=ALICE), host=sender))

    assert (await wire.history()).results == []


async def test_forwarded_query_is_not_answered(wire: Wire) -> None:
    """6.1: "Forwarded stanzas MUST NOT be processed as if they were non-forwarded stanzas"."""
    inner = (
        f"<iq xmlns='{NS_CLIENT}' type='set' id='q' from='{ALICE_PHONE}' to='{COMPONENT}'>"
        f"{query()}</iq>"
    )
    wire.log_copy(inner, host=HOST)

    await wire.nothing_comes()


async def test_stanza_forwarded_by_a_user_is_not_archived_for_its_author(wire: Wire) -> None:
    """6.1: "Receipt of a forwarded stanza from a third-party does not guarantee that the original
    stanza was actually received"."""
    inside = chat("never said", sender=BOB_PHONE, to="carol@example.org")
    extra = f"<forwarded xmlns='{NS_FORWARD}'>{inside}</forwarded>"
    wire.log_copy(chat("look", extra=extra))

    assert (await wire.history(BOB_PHONE)).bodies == ["look"]


async def test_copy_from_the_host_of_other_users_is_ignored(wire: Wire) -> None:
    """6.2: "which entities a client should accept forwards from, and which entities those are
    permitted to forward stanzas for"."""
    wire.log_copy(chat("forged", sender=BOB_PHONE, to=ALICE), host="example.net")

    assert (await wire.history()).results == []
