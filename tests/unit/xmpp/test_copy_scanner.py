"""Copies of archive results are skipped without parsing; other copies are parsed."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, chat, copy_of

from component.xmpp.connection.copy_scanner import is_result, pieces, whole_copy

HINTS = "<no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/>"


def returned(
    inside: str = "<forwarded/>",
    *,
    attributes: str = " xmlns='urn:xmpp:mam:2' id='1'",
    hints: str = HINTS,
) -> str:
    """Return the copy of a result, as ejabberd writes it."""
    start = f"<message to='{ALICE_PHONE}' from='{ALICE}' xmlns='jabber:client'>"
    return copy_of(f"{start}<result{attributes}>{inside}</result>{hints}</message>")


def is_unread(piece: bytes) -> bool:
    """Whether a piece is the copy of a result."""
    copy = whole_copy(piece)
    return copy is not None and is_result(copy[1])


def read(text: str) -> str:
    """Return the pieces of a text that must be parsed if none of them is a repeat."""
    parsed_pieces = [piece for piece in pieces(text.encode()) if not is_unread(piece)]
    return b"".join(parsed_pieces).decode()


@pytest.mark.parametrize(
    "copy",
    [
        returned(),
        returned(hints=""),
        returned(chat("hello")),
        returned(f"<forwarded xmlns='urn:xmpp:forward:0'>{chat('hello')}</forwarded>"),
        returned(attributes=" id='1' queryid='a b' xmlns='urn:xmpp:mam:2'"),
        returned("<a b='>'/>"),
    ],
)
def test_copies_of_archive_results_are_skipped(copy: str) -> None:
    copy_of_message = copy_of(chat("hello"))

    assert read(copy) == ""
    assert read(3 * copy) == ""
    assert read(copy + copy_of_message + copy + copy_of_message) == 2 * copy_of_message


WHOLE = returned()


@pytest.mark.parametrize(
    "text",
    [
        "",
        copy_of(chat("hello")),
        returned(attributes=" xmlns='urn:x' id='1'"),
        returned(attributes=" a=\" xmlns='urn:xmpp:mam:2'\" id='1'"),
        returned(hints="<body>beside it</body>"),
        # A user may have archived any part of it.
        returned(f"<message>{WHOLE}</message>"),
        returned("<result/>"),
        returned("<x:result xmlns:x='x'><result></result></x:result>"),
        returned(f"<![CDATA[</result>{HINTS}</message></forwarded></message>]]>"),
    ],
)
def test_other_copy_is_not_skipped(text: str) -> None:
    first = next(pieces(text.encode()), b"")

    assert is_unread(first) is False


@pytest.mark.parametrize("length", [1, len(WHOLE) // 2, len(WHOLE) - 1])
def test_partial_copy_is_not_skipped(length: int) -> None:
    assert read(WHOLE[:length]) == WHOLE[:length]
    assert read(WHOLE + WHOLE[:length]) == WHOLE[:length]


def test_pieces_join_to_the_received_bytes() -> None:
    data = f" {WHOLE}{copy_of(chat('hello'))}<a/>{WHOLE[:50]}".encode()

    assert b"".join(pieces(data)) == data
