"""Messages of users as XML, and stanzas of the server as events."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

import pytest
from support.stanzas import parse

from component.core.messages.payloads import reference_of
from component.core.messages.references import ReferenceKind
from component.core.sessions import events
from component.core.sessions.outgoing import (
    ChatState,
    Correction,
    Displayed,
    Outgoing,
    OwnPresence,
    Payload,
    Reactions,
    Retraction,
    Text,
)
from component.core.xml import document_parser
from component.core.xml.stream_parser import Element
from component.sessions import stanzas

ALICE, BOB = "alice@one.test", "bob@one.test"
ROOM = "garden@rooms.one.test"
NS = "xmlns='jabber:client'"


def written(payload: Payload, *, type: str = "chat", to: str = BOB) -> Element:
    """Return a message as the archive reads it."""
    message = Outgoing(id="m", to=to, type=type, payload=payload)
    return document_parser.parse(tostring(stanzas.message(message)), keep_depth=3)


def names(message: Element) -> set[str]:
    return {child.name for child in message.elements}


def test_text_asks_for_a_receipt_and_a_marker() -> None:
    message = written(Text("a < b & c"))

    assert (message.get("to"), message.get("type"), message.get("id")) == (BOB, "chat", "m")
    assert names(message) == {"body", "origin-id", "request", "markable"}
    body = message.child("jabber:client", "body")
    assert body is not None
    assert body.text == "a < b & c"


def test_text_to_a_room_asks_for_no_receipt() -> None:
    assert "request" not in names(written(Text("Hi"), type="groupchat", to=ROOM))


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (Correction("x", "Ho"), ReferenceKind.CORRECT),
        (Retraction("x"), ReferenceKind.RETRACT),
        (Reactions("x", ("👍", "🎉")), ReferenceKind.REACT),
        (Displayed("x"), ReferenceKind.DISPLAYED),
    ],
)
def test_message_about_another_one_is_read_as_such(payload: Payload, kind: ReferenceKind) -> None:
    reference = reference_of(written(payload))

    assert reference is not None
    assert (reference.kind, reference.id) == (kind, "x")
    if isinstance(payload, Reactions):
        assert reference.reactions == payload.reactions


@pytest.mark.parametrize("state", ChatState)
def test_chat_state_is_not_stored(state: ChatState) -> None:
    assert names(written(state)) == {state.value, "no-store"}


def event(xml: str) -> events.Event | None:
    return stanzas.event_of(parse(xml), ALICE)


def test_error_is_a_bounce() -> None:
    xml = (
        f"<message {NS} type='error' id='m' from='{BOB}'><body>Hi</body><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Nobody here.</text></error></message>"
    )

    assert event(xml) == events.Bounced("m", BOB, "service-unavailable", "Nobody here.")


def test_error_without_condition_has_the_general_one() -> None:
    assert event(f"<message {NS} type='error' id='m' from='{BOB}'/>") == events.Bounced(
        "m", BOB, "undefined-condition"
    )


PAYLOADS = (
    "<request xmlns='urn:xmpp:receipts'/><received xmlns='urn:xmpp:receipts' id='r'/>"
    "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
)


def forwarded(name: str, sender: str) -> str:
    return (
        f"<message {NS} from='{sender}'><{name} xmlns='urn:xmpp:carbons:2'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'><message {NS} type='chat' id='m'"
        f" from='{BOB}/phone'>{PAYLOADS}</message></forwarded></{name}></message>"
    )


def test_message_is_received_with_its_payloads() -> None:
    xml = f"<message {NS} type='chat' id='m' from='{BOB}/phone'>{PAYLOADS}</message>"

    assert event(xml) == events.Received(
        sender=f"{BOB}/phone",
        id="m",
        asks_receipt=True,
        receipt_for="r",
        chat_state=ChatState.COMPOSING,
    )


def test_carbon_is_received_as_such() -> None:
    received = event(forwarded("received", ALICE))

    assert isinstance(received, events.Received)
    assert (received.sender, received.is_carbon) == (f"{BOB}/phone", True)


@pytest.mark.parametrize(
    ("name", "sender"), [("sent", ALICE), ("received", BOB), ("received", f"{ALICE}/x")]
)
def test_forged_carbon_and_copy_of_own_message_are_ignored(name: str, sender: str) -> None:
    assert event(forwarded(name, sender)) is None


@pytest.mark.parametrize(("code", "is_own"), [("110", True), ("201", False)])
def test_own_presence_in_a_room_has_its_status(code: str, is_own: bool) -> None:
    presence = parse(
        f"<presence {NS}><x xmlns='http://jabber.org/protocol/muc#user'>"
        f"<status code='{code}'/></x></presence>"
    )

    assert stanzas.is_own_occupant(presence) is is_own


@pytest.mark.parametrize(("photo", "texts"), [(None, []), ("", [None]), ("ab" * 20, ["ab" * 20])])
def test_presence_has_the_hash_of_the_avatar(photo: str | None, texts: list[str | None]) -> None:
    presence = stanzas.presence(OwnPresence(id="p", photo=photo))

    found = presence.findall("{vcard-temp:x:update}x/{vcard-temp:x:update}photo")
    assert [element.text or None for element in found] == texts
