"""What a stanza means: as a table."""

from __future__ import annotations

import pytest
from support.builders import ROOM, message, stanza

from component.core.messages.describe import Description, describe
from storage.rows import Kind

SAID, NOTED, RECEIVED = Kind.MESSAGE, Kind.ANNOTATION, Kind.RECEIPT
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


def meant(body: str | None = "hi", **parts: str | None) -> Description:
    return describe(stanza(message(body, **parts)))


@pytest.mark.parametrize(
    ("body", "extra", "kind", "text", "reference_id", "shows_seen"),
    [
        ("Hello, WORLD", "", SAID, "hello world", None, True),
        (
            None,
            "<body xml:lang='de'>Hallo</body><body>Hello</body>",
            SAID,
            "hallo hello",
            None,
            True,
        ),
        ("hi", "<subject>News</subject>", SAID, "hi news", None, True),
        (None, "<subject>News</subject>", SAID, "news", None, False),
        ("hi", REPLACE, NOTED, "hi", "m0", True),
        ("fallback", RETRACT, NOTED, "", "m0", False),
        ("fallback", OLD_RETRACT, NOTED, "", "m0", False),
        ("fallback", REACT, NOTED, "", "m0", False),
        (None, REACT + STORE, NOTED, "", "m0", False),
        (None, RECEIPT, RECEIVED, "", "m0", False),
        (None, DELIVERED, RECEIVED, "", "m0", False),
        (None, DISPLAYED, RECEIVED, "", "m0", True),
        (None, DISPLAYED + STORE, RECEIVED, "", "m0", True),
        ("hi", DISPLAYED, SAID, "hi", "m0", True),
        ("I sent an encrypted message", OMEMO, SAID, "", None, True),
        (None, OMEMO, SAID, "", None, True),
        ("fallback", OMEMO + REPLACE, NOTED, "", "m0", True),
        (None, CALL, SAID, "", None, False),
        (None, "<y xmlns='urn:y'/>" + STORE, SAID, "", None, False),
        (None, "<displayed xmlns='urn:y' id='m0'/>" + STORE, SAID, "", None, False),
        (None, "<replace xmlns='urn:xmpp:message-correct:0'/>", NOTED, "", None, False),
    ],
)
def test_what_a_stanza_means(
    body: str | None, extra: str, kind: Kind, text: str, reference_id: str | None, shows_seen: bool
) -> None:
    found = meant(body, extra=extra)

    assert (found.kind, found.text, found.reference_id, found.shows_seen) == (
        kind,
        text,
        reference_id,
        shows_seen,
    )


def test_another_body_than_that_of_the_client_is_no_text() -> None:
    assert meant(None, extra="<body xmlns='urn:y'>hidden</body>" + STORE).text == ""


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
def test_what_a_message_is_called(id: str | None, extra: str, names: tuple[str, ...]) -> None:
    assert meant(id=id, extra=extra).ids == names


def test_what_is_said_in_a_room_is_called_as_the_room_calls_it_too() -> None:
    by = "<stanza-id xmlns='urn:xmpp:sid:0' by='{}' id='{}'/>"
    extra = by.format("bob@example.org", "s1") + by.format(ROOM, "s2")
    found = meant(sender=f"{ROOM}/n", type="groupchat", extra=extra)

    assert (found.ids, found.room_id) == (("m1",), "s2")
