"""Who may take back what, and what is left of it then."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import ALICE, BOB, NOON, ROOM, SECOND, entry, message, stanza

from component.core.messages.describe import describe
from component.core.messages.retraction import retraction
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element
from storage.rows import ArchivedMessage, Direction, Kind, NewMessage

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


def back(
    extra: str = "", *, sender: str = f"{BOB}/b1", type: str = "chat", **fields: Any
) -> NewMessage:
    """Return what takes a message back."""
    fields = row(extra or retract(), id="r1", sender=sender, type=type, **fields)
    return entry(**({"kind": Kind.ANNOTATION, "at": NOON + SECOND} | fields))


def stored(
    extra: str = "", *, sender: str = f"{BOB}/b2", type: str = "chat", **fields: Any
) -> ArchivedMessage:
    """Return a message that may be taken back."""
    fields = row(extra, id="m1", sender=sender, type=type, **fields)
    return ArchivedMessage(
        **({"id": "an-id", "at": NOON, "direction": RECEIVED, "nick": ""} | fields)
    )


def back_in_room(extra: str, nick: str = "nick") -> NewMessage:
    return back(extra, sender=f"{ROOM}/{nick}" if nick else ROOM, type="groupchat")


def stored_in_room(extra: str = room_id("s1"), nick: str = "nick") -> ArchivedMessage:
    return stored(extra, sender=f"{ROOM}/{nick}", type="groupchat")


def marks(of: NewMessage | ArchivedMessage) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the marks of what a message is called, and of what it is about."""
    return describe(stanza(of.xml)).name_hashes(of.peer, of.resource, of.type, of.direction)


def left(by: NewMessage, of: ArchivedMessage) -> Element | None:
    taken_back = retraction(by)
    if taken_back is None or not set(marks(by)[1]) & set(marks(of)[0]):
        return None
    xml = taken_back.tombstone(of)
    return None if xml is None else parse(xml.encode())


# What is left


def test_what_takes_back_is_known_by_its_origin() -> None:
    by = back()
    taken_back = retraction(by)

    assert taken_back is not None
    assert (taken_back.owner, taken_back.dedup_key) == (ALICE, by.dedup_key)


def test_nothing_that_was_said_is_left() -> None:
    found = left(back(), stored("<x xmlns='urn:x'>secret</x>"))

    assert found is not None
    assert (found.ns, found.name) == ("jabber:client", "message")
    [retracted] = found.elements
    assert (retracted.ns, retracted.name) == (NS_RETRACT, "retracted")
    assert (retracted.get("id"), retracted.get("stamp")) == ("r1", "2026-01-01T12:00:01.000000Z")


def test_who_wrote_to_whom_is_left() -> None:
    found = left(back(), stored(type="normal"))

    assert found is not None
    assert {name: found.get(name) for name in ("from", "to", "id", "type")} == {
        "from": f"{BOB}/b2",
        "to": ALICE,
        "id": "m1",
        "type": "normal",
    }


def test_the_names_by_which_others_know_it_are_left() -> None:
    said = stored_in_room(room_id("s1") + ORIGIN_ID + occupant("p"))
    found = left(back_in_room(retract("s1") + occupant("p")), said)

    assert found is not None
    names = {child.name: (child.get("id"), child.text) for child in found.elements[:-1]}
    assert names == {"stanza-id": ("s1", ""), "origin-id": ("o1", ""), "occupant-id": ("p", "")}


def test_values_that_need_escaping_stay_what_they_are() -> None:
    sender = f"{ROOM}/a&amp;b &lt;&quot;&apos;"
    found = left(
        back(retract("s&amp;1"), sender=sender, type="groupchat"),
        stored(room_id("s&amp;1"), sender=sender, type="groupchat"),
    )

    assert found is not None
    assert found.get("from") == f"{ROOM}/a&b <\"'"


# By which name


@pytest.mark.parametrize("name", ["m1", "o1"])
def test_a_message_is_taken_back_by_any_name_of_its_author(name: str) -> None:
    assert left(back(retract(name)), stored(ORIGIN_ID)) is not None


@pytest.mark.parametrize("name", ["m2", "s1"])
def test_no_other_message_is_taken_back(name: str) -> None:
    assert left(back(retract(name)), stored(room_id("s1", BOB))) is None


@pytest.mark.parametrize(("name", "is_left"), [("s1", True), ("s2", False), ("m1", False)])
def test_in_a_room_the_name_that_the_room_gave_counts(name: str, is_left: bool) -> None:
    """XEP-0424 section 5.1: those that authors choose could be another's."""
    assert (left(back_in_room(retract(name)), stored_in_room()) is not None) is is_left


def test_in_a_room_that_gives_no_names_those_of_the_author_count() -> None:
    assert left(back_in_room(retract("m1")), stored_in_room("")) is not None


# By whom


def test_all_clients_of_one_user_take_back_for_each_other() -> None:
    mine = {"direction": SENT, "peer": BOB}
    by = back(retract(), sender=f"{ALICE}/a1", **mine, resource="")

    assert left(by, stored(sender=f"{ALICE}/a2", **mine, resource="b1")) is not None


def test_nobody_takes_back_what_the_other_wrote() -> None:
    assert left(back(), stored(direction=SENT)) is None
    assert left(back(direction=SENT), stored()) is None


def test_nobody_takes_back_what_is_in_another_conversation() -> None:
    assert left(back(sender="mallory@example.org/m"), stored()) is None


@pytest.mark.parametrize(
    ("nick", "his", "mine", "is_left"),
    [
        ("nick", "", "", True),
        ("other", "", "", False),
        ("nick", occupant("p"), occupant("p"), True),
        ("renamed", occupant("p"), occupant("p"), True),
        ("nick", occupant("p"), occupant("q"), False),
    ],
)
def test_in_a_room_only_the_same_occupant_takes_back(
    nick: str, his: str, mine: str, is_left: bool
) -> None:
    by = back_in_room(retract("s1") + mine, nick)

    assert (left(by, stored_in_room(room_id("s1") + his)) is not None) is is_left


def test_one_occupant_takes_back_no_private_message_of_another() -> None:
    secret = stored(PM, sender=f"{ROOM}/nick")

    assert left(back(retract() + PM, sender=f"{ROOM}/other"), secret) is None
    assert left(back(retract(), sender=ROOM), secret) is None
    assert left(back(retract() + PM, sender=f"{ROOM}/nick"), secret) is not None


def test_a_private_message_takes_back_nothing_said_in_the_room() -> None:
    assert left(back(retract("s1") + PM, sender=f"{ROOM}/nick"), stored_in_room()) is None
    assert left(back_in_room(retract()), stored(PM, sender=f"{ROOM}/nick")) is None


# Moderation


def test_a_room_takes_back_what_an_occupant_said() -> None:
    within = f"{MODERATED}<reason>a &lt; b</reason>"
    found = left(back_in_room(retract("s1", within), ""), stored_in_room())

    assert found is not None
    retracted = found.child(NS_RETRACT, "retracted")
    assert retracted is not None
    moderated = retracted.child(NS_MODERATE, "moderated")
    assert moderated is not None
    assert moderated.get("by") == f"{ROOM}/mod"
    assert [child.get("id") for child in moderated.elements] == ["o9"]
    assert [c.text for c in retracted.elements if c.name == "reason"] == ["a < b"]


def test_a_moderator_may_stay_unnamed() -> None:
    unnamed = f"<moderated xmlns='{NS_MODERATE}'/>"
    found = left(back_in_room(retract("s1", unnamed), ""), stored_in_room())

    assert found is not None
    [moderated] = found.elements[-1].elements
    assert "by" not in moderated.attributes


def test_only_the_room_itself_moderates() -> None:
    forged = retract("s1", MODERATED)

    assert retraction(back_in_room(forged, "nick")) is None
    assert retraction(back(forged, sender=f"{BOB}/b")) is None
    assert retraction(back(forged, sender=ROOM)) is None


# What is no message to be taken back


@pytest.mark.parametrize("kind", [Kind.RECEIPT, Kind.TOMBSTONE, Kind.BLANKED])
def test_only_what_says_something_is_taken_back(kind: Kind) -> None:
    assert left(back(), stored(kind=kind)) is None


def test_a_correction_is_taken_back_too() -> None:
    correction = "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"

    assert left(back(), stored(correction, kind=Kind.ANNOTATION)) is not None


def test_a_retraction_stays_even_if_it_names_itself() -> None:
    itself = stored(retract("m1"), kind=Kind.ANNOTATION)

    assert left(back(), itself) is None


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
def test_what_is_no_retraction_takes_nothing_back(extra: str) -> None:
    assert retraction(back(extra)) is None


def test_a_message_is_not_read_twice_to_see_that_it_is_no_retraction() -> None:
    assert retraction(back(retract(), kind=Kind.MESSAGE)) is None


def test_the_form_of_before_2023_takes_back_too() -> None:
    old = "<apply-to xmlns='urn:xmpp:fasten:0' id='o1'><retract xmlns='{}'/></apply-to>"
    by = back(old.format("urn:xmpp:message-retract:0"))

    assert left(by, stored(ORIGIN_ID)) is not None
