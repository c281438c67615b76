"""XEP-0421: Occupant identifiers for semi-anonymous MUCs, version 1.0.0, as an archive has to heed
it: what a message says of other messages counts only for those of the same occupant.
"""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, HOST, Wire, chat

from component.core.reading.views import FOLDED_KINDS, Views

ROOM = f"room@conference.{HOST}"
NS_RETRACT = "urn:xmpp:message-retract:1"


def occupant_id(id: str) -> str:
    return f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{id}'/>"


def reflected(
    nick: str, body: str, id: str, *, payload: str = "", occupant: str | None = None
) -> str:
    """Return the message that the room reflects, with the id room-ID."""
    extra = payload + ("" if occupant is None else occupant_id(occupant))
    extra += f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='room-{id}'/>"
    sender = f"{ROOM}/{nick}"
    return chat(body, sender=sender, to=ALICE_PHONE, type="groupchat", id=id, extra=extra)


def correct(id: str) -> str:
    return f"<replace xmlns='urn:xmpp:message-correct:0' id='{id}'/>"


def retract(id: str) -> str:
    return f"<retract xmlns='{NS_RETRACT}' id='room-{id}'/>"


def react(id: str, emoji: str) -> str:
    return (
        f"<reactions xmlns='urn:xmpp:reactions:0' id='room-{id}'>"
        f"<reaction>{emoji}</reaction></reactions>"
    )


async def shown(wire: Wire) -> list[tuple[str | None, list[str]]]:
    """Return the text and the reactions of each message of Alice's archive, as people see it."""
    rows = [row for row in await wire.archived(ALICE) if row.kind in FOLDED_KINDS]
    items = await Views(wire.archive).of(ALICE, rows, folded=True)
    return [(item.folded.body, list(item.folded.reactions)) for item in items if item.folded]


async def test_occupant_is_known_under_another_nickname(wire: Wire) -> None:
    """4.1: "if a user joins the same room a second time, the occupant identifier MUST be the same
    as was assigned the first time"."""
    wire.log_copy(reflected("thirdwitch", "helo", "m1", occupant="dd72"))
    wire.log_copy(reflected("hag", "hello", "m2", payload=correct("m1"), occupant="dd72"))
    wire.log_copy(reflected("hag", "", "m3", payload=react("m1", "1"), occupant="dd72"))
    wire.log_copy(reflected("thirdwitch", "", "m4", payload=react("m1", "2"), occupant="dd72"))

    assert await shown(wire) == [("hello", ["2"])]


async def test_occupant_retracts_under_another_nickname(wire: Wire) -> None:
    """1: "to know if the occupant that sends one message is the same as the sender of another
    message"."""
    wire.log_copy(reflected("thirdwitch", "regret", "m1", occupant="dd72"))
    wire.log_copy(reflected("hag", "", "m2", payload=retract("m1"), occupant="dd72"))

    assert await shown(wire) == [(None, [])]
    assert "regret" not in (await wire.archived(ALICE))[0].xml


@pytest.mark.parametrize("occupant", ["e0a1", None])
async def test_taker_of_a_nickname_neither_corrects_nor_retracts(
    wire: Wire, occupant: str | None
) -> None:
    """Abstract: "It thus prevents impersonification of semi-anonymous users."."""
    wire.log_copy(reflected("thirdwitch", "mine", "m1", occupant="dd72"))
    wire.log_copy(
        reflected("thirdwitch", "forged", "m2", payload=correct("m1"), occupant=occupant)
    )
    wire.log_copy(reflected("thirdwitch", "", "m3", payload=retract("m1"), occupant=occupant))

    assert await shown(wire) == [("mine", [])]


async def test_reactions_of_two_occupants_under_one_nickname_both_count(wire: Wire) -> None:
    """4.1: "The occupant identifier MUST be generated such that it is unique"."""
    wire.log_copy(reflected("thirdwitch", "mine", "m1", occupant="dd72"))
    wire.log_copy(reflected("hag", "", "m2", payload=react("m1", "1"), occupant="aaaa"))
    wire.log_copy(reflected("hag", "", "m3", payload=react("m1", "2"), occupant="bbbb"))

    assert await shown(wire) == [("mine", ["1", "2"])]


async def test_forged_id_beside_that_of_the_room_does_not_count(wire: Wire) -> None:
    """4: "If the message or presence received by the MUC service already contains <occupant-id>
    element, the MUC service MUST replace such element". If a room only adds its own, that one is
    the last."""
    forged = occupant_id("dd72")
    wire.log_copy(reflected("thirdwitch", "mine", "m1", occupant="dd72"))
    wire.log_copy(
        reflected("hag", "forged", "m2", payload=forged + correct("m1"), occupant="e0a1")
    )
    wire.log_copy(
        reflected("thirdwitch", "", "m3", payload=forged + retract("m1"), occupant="e0a1")
    )

    assert await shown(wire) == [("mine", [])]


async def test_forged_id_in_a_room_without_ids_gives_no_message_of_another(wire: Wire) -> None:
    """5: "the server will likely forward any <occupant-id> included in <message>s sent by other
    room occupants". The others have no ids there, so it matches none of theirs."""
    forged = occupant_id("dd72")
    wire.log_copy(reflected("thirdwitch", "mine", "m1"))
    wire.log_copy(reflected("hag", "forged", "m2", payload=forged + correct("m1")))
    wire.log_copy(reflected("hag", "", "m3", payload=forged + retract("m1")))
    wire.log_copy(reflected("thirdwitch", "mine, corrected", "m4", payload=correct("m1")))

    assert await shown(wire) == [("mine, corrected", [])]


async def test_id_that_is_too_long_is_ignored(wire: Wire) -> None:
    """4.1: "The occupant identifier MUST have a maximum length of 128 characters"."""
    long, longest = "d" * 129, "d" * 128
    wire.log_copy(reflected("thirdwitch", "one", "m1", occupant=long))
    wire.log_copy(reflected("hag", "forged", "m2", payload=correct("m1"), occupant=long))
    wire.log_copy(reflected("thirdwitch", "two", "m3", occupant=longest))
    wire.log_copy(
        reflected("hag", "two, corrected", "m4", payload=correct("m3"), occupant=longest)
    )

    assert await shown(wire) == [("one", []), ("two, corrected", [])]


async def test_id_of_one_room_means_nobody_in_another(wire: Wire) -> None:
    """4.1: "the occupant identifier of a user in one room of the service does not match the
    occupant identifier of the same user in another room": a match would be chance."""
    wire.log_copy(reflected("thirdwitch", "mine", "m1", occupant="dd72"))
    elsewhere = reflected("thirdwitch", "forged", "m2", payload=correct("m1"), occupant="dd72")
    wire.log_copy(elsewhere.replace(ROOM, f"other@conference.{HOST}"))

    assert ("mine", []) in await shown(wire)
