"""A message that waits for a roster is judged by the preferences at its arrival."""

from __future__ import annotations

from pathlib import Path

from support.archives import retract
from support.builders import ROMEO, entry
from support.mam_payloads import set_preferences
from support.roster_queries import answer_roster_get, next_roster_get, push
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    HOST,
    OTHER_HOST,
    Wire,
    chat,
    open_wire,
)

from storage.rows import Hold, PreferencesRow
from storage.spill import Spill


async def test_preferences_set_while_a_message_waits_are_for_later_ones(wire: Wire) -> None:
    assert (await wire.delegated(set_preferences("roster"))).refusal is None
    wire.say("hello")
    roster_get = await next_roster_get(wire)

    assert (await wire.delegated(set_preferences("never"))).refusal is None
    answer_roster_get(wire, roster_get, BOB)

    assert (await wire.history()).bodies == ["hello"]


async def test_contact_removed_while_a_message_waits_counts_for_it(wire: Wire) -> None:
    assert (await wire.delegated(set_preferences("roster"))).refusal is None
    wire.say("hello")
    roster_get = await next_roster_get(wire)

    wire.peer.send(push(sender=ALICE, to=ALICE_PHONE))
    answer_roster_get(wire, roster_get, BOB)
    answer_roster_get(wire, await next_roster_get(wire))

    assert (await wire.history()).bodies == ["hello"]


async def test_grant_has_rosters_read_that_could_not_be_before(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        await wire.storage.preferences.set(PreferencesRow(owner=ALICE, default="roster"))
        await wire.parts.preferences.load()
        wire.say("unknown")
        assert await wire.bodies(ALICE) == ["unknown"]

        wire.grant()
        wire.say("of a stranger")
        answer_roster_get(wire, await next_roster_get(wire))

        assert (await wire.history()).bodies == ["unknown"]


async def test_spilled_messages_are_judged_by_rosters_after_a_restart(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "archive.db-spill")
    spill.write([entry("of a stranger", peer=ROMEO), entry("of a friend")])
    async with open_wire(tmp_path, connected=False, spill=spill) as wire:
        await wire.storage.preferences.set(PreferencesRow(owner=ALICE, default="roster"))
        await wire.parts.preferences.load()
        await wire.parts.spill_recovery.read()
        wire.parts.resume()
        wire.start()
        await wire.welcome()
        for host in (HOST, OTHER_HOST):
            wire.grant(host=host)
        answer_roster_get(wire, await next_roster_get(wire), BOB)

        assert (await wire.history()).bodies == ["of a friend"]


async def test_hold_counts_for_a_retraction_that_waits(wire: Wire) -> None:
    assert (await wire.delegated(set_preferences("roster"))).refusal is None
    wire.say("hello", sender=BOB_PHONE, to=ALICE, id="m1")
    wire.log_copy(chat("bye", sender=BOB_PHONE, to=ALICE, id="m2", extra=retract("m1")))
    roster_get = await next_roster_get(wire)

    await wire.parts.holds.set(Hold(subject=ALICE, reason="a case", by="counsel", at=1))
    answer_roster_get(wire, roster_get, BOB)

    assert await wire.bodies(ALICE) == ["hello", "bye"]
