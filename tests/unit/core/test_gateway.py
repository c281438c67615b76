"""The REST gateway without HTTP: contacts, messages and offsets."""

from __future__ import annotations

import json

import pytest
from support.builders import ALICE, BOB, NOON, ROMEO, entry

from component.core.gateway.contacts import contact_id, contacts_of
from component.core.gateway.errors import ParametersError
from component.core.gateway.messages import Change, annotations_in, changes_of
from component.core.gateway.offsets import Offset, parse
from component.core.messages.stored import Message
from storage.rows import (
    ArchivedMessage,
    Direction,
    EntryKind,
    Event,
    EventPage,
    JournalEntry,
    Kind,
)


def journal(kind: EntryKind, subject: str, event_id: int, **fields: object) -> JournalEntry:
    """Return an entry of alice; without fields it has ended."""
    value = json.dumps(fields) if fields else ""
    return JournalEntry(
        owner=ALICE, kind=kind, subject=subject, value=value, at=NOON + event_id, event_id=event_id
    )


def contact(subscription: str, event_id: int = 1) -> JournalEntry:
    fields = {"name": "Bob", "subscription": subscription, "asked": False, "groups": []}
    return journal(EntryKind.CONTACT, BOB, event_id, **fields)


def presence(resource: str, event_id: int, priority: int, show: str | None = None) -> JournalEntry:
    fields = {"show": show, "status": resource, "priority": priority}
    return journal(EntryKind.PRESENCE, f"{BOB}/{resource}", event_id, **fields)


@pytest.mark.parametrize(
    ("presences", "expected"),
    [
        ([], ("offline", None)),
        ([presence("a", 2, 0)], ("online", "a")),
        ([presence("a", 2, 0, "xa")], ("xa", "a")),
        ([presence("a", 2, 5, "dnd"), presence("b", 3, 0)], ("dnd", "a")),
        # Of several resources with the same priority the latest counts.
        ([presence("a", 2, 0, "away"), presence("b", 3, 0)], ("online", "b")),
        ([presence("b", 3, 0), presence("a", 2, 0, "away")], ("online", "b")),
        ([journal(EntryKind.PRESENCE, f"{BOB}/a", 4)], ("offline", None)),
    ],
)
def test_presence_of_a_contact(
    presences: list[JournalEntry], expected: tuple[str, str | None]
) -> None:
    [shown] = contacts_of(ALICE, [contact("both"), *presences], {})

    assert (shown.show, shown.status) == expected
    assert shown.event_id == max(1, *(entry.event_id for entry in presences), 1)


@pytest.mark.parametrize(
    ("subscription", "asks", "expected"),
    [
        ("none", False, "none"),
        ("to", False, "none"),
        ("to", True, "requested"),
        ("from", False, "granted"),
        ("both", True, "granted"),
    ],
)
def test_authorization_of_a_contact(subscription: str, asks: bool, expected: str) -> None:
    request = journal(EntryKind.REQUEST, BOB, 2, status=None)

    [shown] = contacts_of(ALICE, [contact(subscription), *([request] if asks else [])], {})

    assert shown.authorization == expected


def test_contacts_are_those_of_the_roster_and_those_who_ask() -> None:
    entries = [
        contact("both"),
        journal(EntryKind.REQUEST, ROMEO, 2, status="Hi"),
        journal(EntryKind.CONTACT, "removed@example.org", 3),
        journal(EntryKind.REQUEST, "refused@example.org", 4),
        journal(EntryKind.DISPLAYED, "stranger@example.org", 5, id="x"),
        journal(EntryKind.CHANGED, "id of a message", 6, peer=BOB),
        journal(EntryKind.DISPLAYED, BOB, 7, id="x"),
    ]

    shown = contacts_of(ALICE, entries, {BOB: 6, "stranger@example.org": 5})

    assert [(item.jid, item.event_id, item.read_offset) for item in shown] == [
        (BOB, 7, 6),
        (ROMEO, 2, 0),
    ]


def test_id_of_a_contact_is_for_ever() -> None:
    # Programs keep it: a change would be a new contact for them.
    assert contact_id(ALICE, BOB) == "ff89702f3b085c69a22b316cc2509c55"
    assert contact_id(BOB, ALICE) != contact_id(ALICE, BOB)


def message(event_id: int, kind: Kind = Kind.MESSAGE, *, about: int = 0, xml: str = "") -> Event:
    row = ArchivedMessage(
        *(f"id {event_id}", NOON, BOB, "phone", "chat", Direction.RECEIVED),
        *(xml or entry(event_id).xml, "", kind),
    )
    target = f"id {about}" if about else None
    return Event(event_id=event_id, cursor=row.id, message=row, target=target)


def page(*events: Event, targets: tuple[Event, ...] = ()) -> EventPage:
    return EventPage(
        events=events,
        targets={target.cursor: target.message for target in targets if target.message},
        event_id=events[-1].event_id,
        cursor="",
        complete=True,
    )


def changes(events: EventPage) -> list[tuple[str, int]]:
    found = changes_of(events, map(Message, annotations_in(events)))
    assert all(isinstance(change, Change) for change in found)
    return [(change.row.id, change.event_id) for change in found]


CORRECTION = (
    "<message xmlns='jabber:client'><body>x</body>"
    "<replace xmlns='urn:xmpp:message-correct:0' id='1'/></message>"
)
REACTION = (
    "<message xmlns='jabber:client'><reactions xmlns='urn:xmpp:reactions:0' id='1'>"
    "<reaction>x</reaction></reactions></message>"
)


def test_changed_message_is_shown_once_in_the_place_of_its_last_change() -> None:
    first, second = message(1), message(2)
    correction = message(3, Kind.ANNOTATION, about=1, xml=CORRECTION)

    assert changes(page(first, second, correction, targets=(first,))) == [("id 2", 2), ("id 1", 3)]
    assert changes(page(correction, targets=(first,))) == [("id 1", 3)]


def test_reaction_and_message_about_an_unknown_one_change_nothing() -> None:
    first = message(1)
    reaction = message(2, Kind.ANNOTATION, about=1, xml=REACTION)
    lost = message(3, Kind.ANNOTATION, about=9, xml=CORRECTION)

    assert changes(page(reaction, lost, targets=(first,))) == []


@pytest.mark.parametrize(
    ("text", "offsets", "expected"),
    [
        ("", "event_id", Offset()),
        ("", "timestamp", Offset(at=0)),
        ("12", "event_id", Offset(12)),
        ("12.9", "event_id", Offset(12)),
        ("-1", "event_id", Offset(0)),
        ("1e3", "event_id", Offset(1000)),
        ("1.5", "timestamp", Offset(at=1_500_000)),
        ("-1", "timestamp", Offset(at=0)),
    ],
)
def test_offset_is_a_number(text: str, offsets: str, expected: Offset) -> None:
    assert parse(text, offsets) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["x", "nan", "-inf", "1,5", "0x10", "1_0_"])
def test_offset_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ParametersError, match="Parameter offset has wrong value"):
        parse(text, "event_id")
