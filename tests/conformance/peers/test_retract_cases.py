"""MongooseIM big_tests, mam_SUITE, retract_cases: each test has the name of their case.

Their server implements the retraction of 2021 (XEP-0422), Muniment that and the current XEP-0424.
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
    element_at,
)

ORIGIN = "orig-id-1"
NS_RETRACT = "urn:xmpp:message-retract:1"

#: The current and the earlier element by which clients retract the message with an id.
CURRENT = f"<retract xmlns='{NS_RETRACT}' id='{{}}'/>"
EARLIER = (
    "<apply-to xmlns='urn:xmpp:fasten:0' id='{}'>"
    "<retract xmlns='urn:xmpp:message-retract:0'/></apply-to>"
)

BOTH_SIDES = pytest.mark.parametrize("reader", [ALICE_PHONE, BOB_PHONE], ids=["author", "other"])
BOTH_FORMS = pytest.mark.parametrize("form", [CURRENT, EARLIER], ids=["retract:1", "retract:0"])


def say(wire: Wire) -> None:
    """Send the message that the tests retract."""
    wire.log_copy(chat("OH, HAI!", extra=f"<origin-id xmlns='urn:xmpp:sid:0' id='{ORIGIN}'/>"))


def retract(wire: Wire, retraction: str) -> None:
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='chat' id='r1' from='{ALICE_PHONE}' to='{BOB}'>"
        f"{retraction}<store xmlns='urn:xmpp:hints'/></message>"
    )


def tombstones(reply: Reply) -> list[bool]:
    """Return for each message whether it is a tombstone without a body."""
    path = f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message"
    messages = [element_at(result, path) for result in reply.results]
    return [
        message.find(f"{{{NS_RETRACT}}}retracted") is not None
        and message.find(f"{{{NS_CLIENT}}}body") is None
        for message in messages
    ]


@BOTH_SIDES
@BOTH_FORMS
async def test_retract_message(wire: Wire, reader: str, form: str) -> None:
    """A tombstone with the id of the message takes its place, and the retraction follows."""
    say(wire)
    [id] = (await wire.history(reader)).ids
    retract(wire, form.format(ORIGIN))
    reply = await wire.history(reader)

    assert (reply.ids[0], tombstones(reply)) == (id, [True, False])
    assert "OH, HAI!" not in reply.bodies


@BOTH_SIDES
@BOTH_FORMS
async def test_retract_wrong_message(wire: Wire, reader: str, form: str) -> None:
    say(wire)
    retract(wire, form.format("wrong-id"))
    reply = await wire.history(reader)

    assert (reply.bodies, tombstones(reply)) == (["OH, HAI!", ""], [False, False])


@BOTH_SIDES
@BOTH_FORMS
async def test_ignore_bad_retraction(wire: Wire, reader: str, form: str) -> None:
    """A retraction without an id: their server omits it, Muniment obeys its store hint."""
    say(wire)
    retract(wire, form.replace(" id='{}'", ""))
    reply = await wire.history(reader)

    assert (reply.bodies[0], any(tombstones(reply))) == ("OH, HAI!", False)


@BOTH_SIDES
async def test_retract_message_on_stanza_id(wire: Wire, reader: str) -> None:
    """Their server has one archive id for both sides and accepts it. The ids of Muniment differ by
    archive, and outside of rooms XEP-0424 section 4.1 requires the id of the message."""
    say(wire)
    [id] = (await wire.history(reader)).ids
    retract(wire, CURRENT.format(id))

    assert tombstones(await wire.history(reader)) == [False, False]
