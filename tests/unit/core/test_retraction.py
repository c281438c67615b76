"""XEP-0424 and XEP-0425: permitted retractions and the content of tombstones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.builders import ALICE, BOB, NOON, ROOM, SECOND, entry, message, stanza

from component.core.messages.describe import describe
from component.core.messages.retraction import outcome
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element
from storage.rows import (
    ArchivedMessage,
    Direction,
    Kind,
    NewMessage,
    RetractionOutcome,
    UnfinishedRetraction,
)

SENT, RECEIVED = Direction.SENT, Direction.RECEIVED
NS_RETRACT = "urn:xmpp:message-retract:1"
NS_MODERATE = "urn:xmpp:message-moderate:1"
PM = "<x xmlns='http://jabber.org/protocol/muc#user'/>"


def retract(id: str = "m1", within: str = "") -> str:
    return f"<retract xmlns='{NS_RETRACT}' id='{id}'>{within}</retract>"


def occupant(id: str) -> str:
    return f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{id}'/>"


def room_id(id: str, by: str = ROOM) -> str:
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id}'/>"


ORIGIN_ID = "<origin-id xmlns='urn:xmpp:sid:0' id='o1'>secret</origin-id>"
MODERATED = f"<moderated xmlns='{NS_MODERATE}' by='{ROOM}/mod'>{occupant('o9')}</moderated>"


def row(extra: str, *, id: str, sender: str, type: str = "chat", **fields: Any) -> dict[str, Any]:
    """Return the fields of a message in the archive of Alice."""
    peer, _, resource = sender.partition("/")
    xml = message("secret", sender=sender, to=ALICE, id=id, type=type, extra=extra)
    return {"peer": peer, "resource": resource, "type": type, "xml": xml} | fields


def retraction(
    extra: str = "", *, sender: str = f"{BOB}/b1", type: str = "chat", **fields: Any
) -> NewMessage:
    """Return a retraction as a new message."""
    fields = row(extra or retract(), id="r1", sender=sender, type=type, **fields)
    return entry(**({"kind": Kind.ANNOTATION, "at": NOON + SECOND} | fields))


def stored(
    extra: str = "", *, sender: str = f"{BOB}/b2", type: str = "chat", **fields: Any
) -> ArchivedMessage:
    """Return a message that may be retracted."""
    named = row(extra, id="m1", sender=sender, type=type)
    return ArchivedMessage(
        **({"id": "an-id", "at": NOON, "direction": RECEIVED, "nick": ""} | named | fields)
    )


def retraction_in_room(extra: str, nick: str = "nick") -> NewMessage:
    return retraction(extra, sender=f"{ROOM}/{nick}" if nick else ROOM, type="groupchat")


def stored_in_room(extra: str = room_id("s1"), nick: str = "nick") -> ArchivedMessage:
    return stored(extra, sender=f"{ROOM}/{nick}", type="groupchat")


def name_hashes(of: NewMessage | ArchivedMessage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the name hashes of a message, and of the message that it refers to."""
    return describe(stanza(of.xml)).name_hashes(of.peer, of.resource, of.type, of.direction)


def offered(
    by: NewMessage, of: ArchivedMessage | None, *corrections: ArchivedMessage
) -> UnfinishedRetraction:
    """Return an unfinished retraction as the store offers it."""
    message = ArchivedMessage(
        id="id-of-retraction",
        at=by.at,
        peer=by.peer,
        resource=by.resource,
        type=by.type,
        direction=by.direction,
        xml=by.xml,
        nick=by.nick,
        kind=by.kind,
    )
    return UnfinishedRetraction(
        number=5, owner=by.owner, message=message, target=of, corrections=corrections
    )


def retracts(by: NewMessage) -> bool:
    """Return whether a retraction takes effect, in a chat or in a room."""
    return bool(
        outcome(offered(by, stored_in_room() if by.type == "groupchat" else stored())).tombstones
    )


def tombstone_of(by: NewMessage, of: ArchivedMessage) -> Element | None:
    """Return the tombstone that a retraction leaves of a message, or None."""
    if not set(name_hashes(by)[1]) & set(name_hashes(of)[0]):
        return None
    tombstones = outcome(offered(by, of)).tombstones
    assert all((t.id, t.kind) == (of.id, Kind.TOMBSTONE) for t in tombstones)
    return parse(tombstones[0].xml.encode()) if tombstones else None


# Tombstones


def test_retraction_replaces_its_message_and_corrections_by_tombstones() -> None:
    correction = "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>"
    corrected = stored(correction, id="id-2", kind=Kind.ANNOTATION)
    forged = stored(correction, id="id-3", kind=Kind.ANNOTATION, direction=SENT)

    result = outcome(offered(retraction(), stored(), forged, corrected))

    assert [(t.id, t.kind) for t in result.tombstones] == [
        ("an-id", Kind.TOMBSTONE),
        ("id-2", Kind.ANNOTATION),
    ]
    assert (result.number, result.settled, result.is_done) == (5, ("id-3", "id-2"), True)


def test_retraction_is_unfinished_until_the_last_corrections_are_offered() -> None:
    assert not outcome(replace(offered(retraction(), stored()), is_last=False)).is_done
    assert outcome(offered(retraction(), None)) == RetractionOutcome(number=5)


def test_refused_retraction_keeps_the_corrections() -> None:
    forged = offered(retraction(), stored(direction=SENT), stored(id="id-2"))

    assert outcome(replace(forged, is_last=False)) == RetractionOutcome(number=5)


def test_retraction_under_a_hold_leaves_no_tombstone() -> None:
    held = replace(offered(retraction(), stored(), stored(id="id-2")), is_last=False)

    assert outcome(held, is_held=True) == RetractionOutcome(number=5)


def test_tombstone_has_no_content() -> None:
    tombstone = tombstone_of(retraction(), stored("<x xmlns='urn:x'>secret</x>"))

    assert tombstone is not None
    assert (tombstone.ns, tombstone.name) == ("jabber:client", "message")
    [retracted] = tombstone.elements
    assert (retracted.ns, retracted.name) == (NS_RETRACT, "retracted")
    assert (retracted.get("id"), retracted.get("stamp")) == ("r1", "2026-01-01T12:00:01.000000Z")


def test_tombstone_keeps_addresses_id_and_type() -> None:
    tombstone = tombstone_of(retraction(), stored(type="normal"))

    assert tombstone is not None
    assert {name: tombstone.get(name) for name in ("from", "to", "id", "type")} == {
        "from": f"{BOB}/b2",
        "to": ALICE,
        "id": "m1",
        "type": "normal",
    }


def test_tombstone_keeps_ids_that_others_refer_to() -> None:
    original = stored_in_room(room_id("s1") + ORIGIN_ID + occupant("p"))
    tombstone = tombstone_of(retraction_in_room(retract("s1") + occupant("p")), original)

    assert tombstone is not None
    names = {child.name: (child.get("id"), child.text) for child in tombstone.elements[:-1]}
    assert names == {"stanza-id": ("s1", ""), "origin-id": ("o1", ""), "occupant-id": ("p", "")}


def test_tombstone_escapes_addresses() -> None:
    sender = f"{ROOM}/a&amp;b &lt;&quot;&apos;"
    tombstone = tombstone_of(
        retraction(retract("s&amp;1"), sender=sender, type="groupchat"),
        stored(room_id("s&amp;1"), sender=sender, type="groupchat"),
    )

    assert tombstone is not None
    assert tombstone.get("from") == f"{ROOM}/a&b <\"'"


# Ids


@pytest.mark.parametrize("name", ["m1", "o1"])
def test_message_is_retracted_by_its_message_id_or_origin_id(name: str) -> None:
    assert tombstone_of(retraction(retract(name)), stored(ORIGIN_ID)) is not None


@pytest.mark.parametrize("name", ["m2", "s1"])
def test_message_with_another_id_is_not_retracted(name: str) -> None:
    assert tombstone_of(retraction(retract(name)), stored(room_id("s1", BOB))) is None


@pytest.mark.parametrize(("name", "is_retracted"), [("s1", True), ("s2", False), ("m1", False)])
def test_room_message_is_retracted_by_the_stanza_id_of_the_room(
    name: str, is_retracted: bool
) -> None:
    """XEP-0424 section 5.1: another occupant can choose the same message id or origin-id."""
    assert (
        tombstone_of(retraction_in_room(retract(name)), stored_in_room()) is not None
    ) is is_retracted


def test_room_message_without_stanza_id_is_retracted_by_its_message_id() -> None:
    assert tombstone_of(retraction_in_room(retract("m1")), stored_in_room("")) is not None


# Authors


def test_retraction_by_another_resource_of_the_author_applies() -> None:
    mine = {"direction": SENT, "peer": BOB}
    by = retraction(retract(), sender=f"{ALICE}/a1", **mine, resource="")

    assert tombstone_of(by, stored(sender=f"{ALICE}/a2", **mine, resource="b1")) is not None


def test_message_of_the_other_side_is_not_retracted() -> None:
    assert tombstone_of(retraction(), stored(direction=SENT)) is None
    assert tombstone_of(retraction(direction=SENT), stored()) is None


def test_message_of_another_conversation_is_not_retracted() -> None:
    assert tombstone_of(retraction(sender="mallory@example.org/m"), stored()) is None


@pytest.mark.parametrize(
    ("nick", "his", "mine", "is_retracted"),
    [
        ("nick", "", "", True),
        ("other", "", "", False),
        ("nick", occupant("p"), occupant("p"), True),
        ("renamed", occupant("p"), occupant("p"), True),
        ("nick", occupant("p"), occupant("q"), False),
        ("nick", occupant("p"), "", False),
        ("nick", "", occupant("p"), True),
        ("other", "", occupant("p"), False),
        ("nick", occupant("p"), occupant("p") + occupant("q"), False),
        ("renamed", occupant("forged") + occupant("p"), occupant("p"), True),
        ("nick", occupant("p" * 129), occupant("p" * 129), True),
        ("other", occupant("p" * 129), occupant("p" * 129), False),
    ],
)
def test_room_message_is_retracted_by_the_same_occupant_only(
    nick: str, his: str, mine: str, is_retracted: bool
) -> None:
    by = retraction_in_room(retract("s1") + mine, nick)

    assert (tombstone_of(by, stored_in_room(room_id("s1") + his)) is not None) is is_retracted


def test_private_message_of_another_occupant_is_not_retracted() -> None:
    secret = stored(PM, sender=f"{ROOM}/nick")

    assert tombstone_of(retraction(retract() + PM, sender=f"{ROOM}/other"), secret) is None
    assert tombstone_of(retraction(retract(), sender=ROOM), secret) is None
    assert tombstone_of(retraction(retract() + PM, sender=f"{ROOM}/nick"), secret) is not None


def test_private_message_does_not_retract_a_room_message() -> None:
    assert (
        tombstone_of(retraction(retract("s1") + PM, sender=f"{ROOM}/nick"), stored_in_room())
        is None
    )
    assert tombstone_of(retraction_in_room(retract()), stored(PM, sender=f"{ROOM}/nick")) is None


# Moderation


def test_moderation_by_the_room_leaves_a_tombstone_with_moderator_and_reason() -> None:
    within = f"{MODERATED}<reason>a &lt; b</reason>"
    tombstone = tombstone_of(retraction_in_room(retract("s1", within), ""), stored_in_room())

    assert tombstone is not None
    retracted = tombstone.child(NS_RETRACT, "retracted")
    assert retracted is not None
    moderated = retracted.child(NS_MODERATE, "moderated")
    assert moderated is not None
    assert moderated.get("by") == f"{ROOM}/mod"
    assert [child.get("id") for child in moderated.elements] == ["o9"]
    assert [c.text for c in retracted.elements if c.name == "reason"] == ["a < b"]


def test_moderation_without_moderator_leaves_a_tombstone_without_moderator() -> None:
    unnamed = f"<moderated xmlns='{NS_MODERATE}'/>"
    tombstone = tombstone_of(retraction_in_room(retract("s1", unnamed), ""), stored_in_room())

    assert tombstone is not None
    [moderated] = tombstone.elements[-1].elements
    assert "by" not in moderated.attributes


def test_moderation_by_an_occupant_is_ignored() -> None:
    forged = retract("s1", MODERATED)

    assert not retracts(retraction_in_room(forged, "nick"))
    assert not retracts(retraction(forged, sender=f"{BOB}/b"))
    assert not retracts(retraction(forged, sender=ROOM))


# Messages that are not retracted


@pytest.mark.parametrize("kind", [Kind.RECEIPT, Kind.TOMBSTONE, Kind.BLANKED])
def test_receipts_and_messages_without_content_are_not_retracted(kind: Kind) -> None:
    assert tombstone_of(retraction(), stored(kind=kind)) is None


def test_correction_is_retracted() -> None:
    correction = "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"

    assert tombstone_of(retraction(), stored(correction, kind=Kind.ANNOTATION)) is not None


def test_retraction_does_not_retract_itself() -> None:
    itself = stored(retract("m1"), kind=Kind.ANNOTATION)

    assert tombstone_of(retraction(), itself) is None


@pytest.mark.parametrize(
    "extra",
    [
        "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='m1'/>",
        "<retract xmlns='urn:xmpp:message-retract:1'/>",
        "<retract xmlns='urn:x' id='m1'/>",
        "<retracted xmlns='urn:xmpp:message-retract:1' id='m1'/>",
    ],
)
def test_annotation_without_valid_retract_element_retracts_nothing(extra: str) -> None:
    assert not retracts(retraction(extra))


def test_message_of_another_kind_retracts_nothing() -> None:
    assert retracts(retraction())
    assert not retracts(retraction(kind=Kind.MESSAGE))


def test_apply_to_of_xep_0422_retracts() -> None:
    old = "<apply-to xmlns='urn:xmpp:fasten:0' id='o1'><retract xmlns='{}'/></apply-to>"
    by = retraction(old.format("urn:xmpp:message-retract:0"))

    assert tombstone_of(by, stored(ORIGIN_ID)) is not None
