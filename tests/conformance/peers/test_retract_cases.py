"""MongooseIM big_tests, mam_SUITE, retract_cases: each test has the name of theirs.

Theirs speaks the retraction of 2021 (XEP-0422), ours that and XEP-0424 as it is now.
"""

from __future__ import annotations

import pytest
from support.wire import (
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    NS_CLIENT,
    NS_FORWARD,
    Reply,
    Wire,
    chat,
    found,
)

ORIGIN = "orig-id-1"
NS_RETRACT = "urn:xmpp:message-retract:1"

#: How clients take back what is called so.
NOW = f"<retract xmlns='{NS_RETRACT}' id='{{}}'/>"
BEFORE = (
    "<apply-to xmlns='urn:xmpp:fasten:0' id='{}'>"
    "<retract xmlns='urn:xmpp:message-retract:0'/></apply-to>"
)

BOTH_SIDES = pytest.mark.parametrize("reader", [ALICE_PHONE, BOB_PHONE], ids=["author", "other"])
BOTH_WAYS = pytest.mark.parametrize("way", [NOW, BEFORE], ids=["retract:1", "retract:0"])


def say(wire: Wire) -> None:
    """Say what will be taken back."""
    wire.log_copy(chat("OH, HAI!", extra=f"<origin-id xmlns='urn:xmpp:sid:0' id='{ORIGIN}'/>"))


def retract(wire: Wire, retraction: str) -> None:
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='chat' id='r1' from='{ALICE_PHONE}' to='{BOB}'>"
        f"{retraction}<store xmlns='urn:xmpp:hints'/></message>"
    )


def tombstones(reply: Reply) -> list[bool]:
    """Return of each message whether only a tombstone is left of it."""
    path = f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message"
    messages = [found(result, path) for result in reply.results]
    return [
        message.find(f"{{{NS_RETRACT}}}retracted") is not None
        and message.find(f"{{{NS_CLIENT}}}body") is None
        for message in messages
    ]


@BOTH_SIDES
@BOTH_WAYS
async def test_retract_message(wire: Wire, reader: str, way: str) -> None:
    """A tombstone with the id of the message stands where it was, and the retraction behind it."""
    say(wire)
    [id] = (await wire.history(reader)).ids
    retract(wire, way.format(ORIGIN))
    reply = await wire.history(reader)

    assert (reply.ids[0], tombstones(reply)) == (id, [True, False])
    assert "OH, HAI!" not in reply.bodies


@BOTH_SIDES
@BOTH_WAYS
async def test_retract_wrong_message(wire: Wire, reader: str, way: str) -> None:
    say(wire)
    retract(wire, way.format("wrong-id"))
    reply = await wire.history(reader)

    assert (reply.bodies, tombstones(reply)) == (["OH, HAI!", ""], [False, False])


@BOTH_SIDES
@BOTH_WAYS
async def test_ignore_bad_retraction(wire: Wire, reader: str, way: str) -> None:
    """One that does not say of what; theirs leaves it out, in ours its store hint counts."""
    say(wire)
    retract(wire, way.replace(" id='{}'", ""))
    reply = await wire.history(reader)

    assert (reply.bodies[0], any(tombstones(reply))) == ("OH, HAI!", False)


@BOTH_SIDES
async def test_retract_message_on_stanza_id(wire: Wire, reader: str) -> None:
    """Theirs, with one archive id for both sides, also retracts by it. Ours differ by archive, and
    XEP-0424 section 4.1 wants the id of the message outside of rooms: nothing is retracted."""
    say(wire)
    [id] = (await wire.history(reader)).ids
    retract(wire, NOW.format(id))

    assert tombstones(await wire.history(reader)) == [False, False]
