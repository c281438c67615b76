"""The description of a stanza: its kind, its text, its references and its ids."""

from __future__ import annotations

import pytest
from support.builders import ROOM, message, stanza

from component.core.messages.describe import Description, describe
from storage.rows import Kind

MESSAGE, ANNOTATION, RECEIPT_KIND = Kind.MESSAGE, Kind.ANNOTATION, Kind.RECEIPT
STORE = "<store xmlns='urn:xmpp:hints'/>"
REPLACE = "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"
RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='m0'/>"
OLD_RETRACT = (
    "<apply-to xmlns='urn:xmpp:fasten:0' id='m0'><retract xmlns='urn:xmpp:message-retract:0'/>"
    "</apply-to>"
)
REACT = "<reactions xmlns='urn:xmpp:reactions:0' id='m0'><reaction>x</reaction></reactions>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='m0'/>"
DISPLAYED = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>"
DELIVERED = "<received xmlns='urn:xmpp:chat-markers:0' id='m0'/>"
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"
CALL = "<propose xmlns='urn:xmpp:jingle-message:0' id='call'/>"


def description(body: str | None = "hi", **parts: str | None) -> Description:
    return describe(stanza(message(body, **parts)))


@pytest.mark.parametrize(
    ("body", "extra", "kind", "text", "reference_id", "shows_seen"),
    [
        ("Hello, WORLD", "", MESSAGE, "hello world", None, True),
        (
            None,
            "<body xml:lang='de'>Hallo</body><body>Hello</body>",
            MESSAGE,
            "hallo hello",
            None,
            True,
        ),
        ("hi", "<subject>News</subject>", MESSAGE, "hi news", None, True),
        (None, "<subject>News</subject>", MESSAGE, "news", None, False),
        ("hi", REPLACE, ANNOTATION, "hi", "m0", True),
        ("fallback", RETRACT, ANNOTATION, "", "m0", False),
        ("fallback", OLD_RETRACT, ANNOTATION, "", "m0", False),
        ("fallback", REACT, ANNOTATION, "", "m0", False),
        (None, REACT + STORE, ANNOTATION, "", "m0", False),
        (None, RECEIPT, RECEIPT_KIND, "", "m0", False),
        (None, DELIVERED, RECEIPT_KIND, "", "m0", False),
        (None, DISPLAYED, RECEIPT_KIND, "", "m0", True),
        (None, DISPLAYED + STORE, RECEIPT_KIND, "", "m0", True),
        ("hi", DISPLAYED, MESSAGE, "hi", "m0", True),
        ("I sent an encrypted message", OMEMO, MESSAGE, "", None, True),
        (None, OMEMO, MESSAGE, "", None, True),
        ("fallback", OMEMO + REPLACE, ANNOTATION, "", "m0", True),
        (None, CALL, MESSAGE, "", None, False),
        (None, "<y xmlns='urn:y'/>" + STORE, MESSAGE, "", None, False),
        (None, "<displayed xmlns='urn:y' id='m0'/>" + STORE, MESSAGE, "", None, False),
        (None, "<replace xmlns='urn:xmpp:message-correct:0'/>", ANNOTATION, "", None, False),
    ],
)
def test_stanza_is_described_by_its_payloads(
    body: str | None, extra: str, kind: Kind, text: str, reference_id: str | None, shows_seen: bool
) -> None:
    result = description(body, extra=extra)

    assert (result.kind, result.text, result.reference_id, result.shows_seen) == (
        kind,
        text,
        reference_id,
        shows_seen,
    )


def test_body_of_another_namespace_is_not_text() -> None:
    assert description(None, extra="<body xmlns='urn:y'>hidden</body>" + STORE).text == ""


@pytest.mark.parametrize(
    ("id", "extra", "names"),
    [
        ("m1", "", ("m1",)),
        (None, "", ()),
        ("m1", "<origin-id xmlns='urn:xmpp:sid:0' id='m1'/>", ("m1",)),
        ("m1", "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>", ("m1", "o")),
        (None, "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>", ("o",)),
        ("m1", "<origin-id xmlns='urn:y' id='o'/>", ("m1",)),
        ("m1", f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='s'/>", ("m1",)),
    ],
)
def test_ids_of_a_message_are_its_id_and_origin_id(
    id: str | None, extra: str, names: tuple[str, ...]
) -> None:
    assert description(id=id, extra=extra).ids == names


def test_stanza_id_of_the_room_is_the_room_id() -> None:
    by = "<stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='{}'/>"
    extra = by.format("bob@example.org", "s1") + by.format(ROOM, "s2")
    result = description(sender=f"{ROOM}/n", type="groupchat", extra=extra)

    assert (result.ids, result.room_id) == (("m1",), "s2")
