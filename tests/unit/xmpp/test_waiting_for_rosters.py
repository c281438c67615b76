"""A message that waits for a roster is judged by what held when it came."""

from __future__ import annotations

from support.archives import retract
from support.asking import set_preferences
from support.roster_queries import asked_roster, give_roster, push
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, Wire, chat

from storage.rows import Hold


async def test_preferences_set_while_a_message_waits_are_for_later_ones(wire: Wire) -> None:
    assert (await wire.delegated(set_preferences("roster"))).refusal is None
    wire.say("hello")
    asked = await asked_roster(wire)

    assert (await wire.delegated(set_preferences("never"))).refusal is None
    give_roster(wire, asked, BOB)

    assert (await wire.history()).bodies == ["hello"]


async def test_a_contact_removed_while_a_message_waits_counts_for_it(wire: Wire) -> None:
    assert (await wire.delegated(set_preferences("roster"))).refusal is None
    wire.say("hello")
    asked = await asked_roster(wire)

    wire.peer.send(push(sender=ALICE, to=ALICE_PHONE))
    give_roster(wire, asked, BOB)
    give_roster(wire, await asked_roster(wire))

    assert (await wire.history()).bodies == ["hello"]


async def test_a_hold_counts_for_a_retraction_that_waits(wire: Wire) -> None:
    assert (await wire.delegated(set_preferences("roster"))).refusal is None
    wire.say("hello", sender=BOB_PHONE, to=ALICE, id="m1")
    wire.log_copy(chat("bye", sender=BOB_PHONE, to=ALICE, id="m2", extra=retract("m1")))
    asked = await asked_roster(wire)

    await wire.parts.holds.set(Hold(subject=ALICE, reason="a case", by="counsel", at=1))
    give_roster(wire, asked, BOB)

    assert await wire.bodies(ALICE) == ["hello", "bye"]
