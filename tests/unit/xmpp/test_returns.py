"""Results of ours that come back as copies: left out unread, and nothing beside them."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, chat, copy_of

from component.xmpp.returns import behind, next_place

HINTS = "<no-store xmlns='urn:xmpp:hints'/><no-copy xmlns='urn:xmpp:hints'/>"


def returned(
    inside: str = "<forwarded/>",
    *,
    attributes: str = " xmlns='urn:xmpp:mam:2' id='1'",
    end: str = HINTS,
) -> str:
    """Return the copy of a result, as ejabberd writes it."""
    result = f"<result{attributes}>{inside}</result>"
    return copy_of(
        f"<message to='{ALICE_PHONE}' from='{ALICE}' xmlns='jabber:client'>{result}{end}</message>"
    )


def skipped(text: str) -> str:
    """Return what is passed over at the beginning of a text."""
    data = text.encode()
    return data[: behind(data, 0)].decode()


@pytest.mark.parametrize(
    "copy",
    [
        returned(),
        returned(end=""),
        returned(chat("hello")),
        returned(attributes=" id='1' queryid='a b' xmlns='urn:xmpp:mam:2'"),
        returned("<a b='>'/>"),
    ],
)
def test_copies_of_results_are_passed_over_however_many(copy: str) -> None:
    assert skipped(copy) == copy
    assert skipped(3 * copy) == 3 * copy
    assert skipped(copy + copy_of(chat("hello")) + copy) == copy


WHOLE = returned()


@pytest.mark.parametrize(
    "text",
    [
        "",
        copy_of(chat("hello")),
        returned(attributes=" xmlns='urn:x' id='1'"),
        returned(attributes=" a=\" xmlns='urn:xmpp:mam:2'\" id='1'"),
        returned(end="<body>beside it</body>"),
        # Any of it may be what somebody had archived.
        returned(f"<message>{WHOLE}</message>"),
        returned("<result/>"),
        returned("<x:result xmlns:x='x'><result></result></x:result>"),
        returned(f"<![CDATA[</result>{HINTS}</message></forwarded></message>]]>"),
    ],
)
def test_nothing_else_is(text: str) -> None:
    assert skipped(text) == ""


@pytest.mark.parametrize("length", [1, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_part_of_a_copy_is_not_passed_over(length: int) -> None:
    assert skipped(WHOLE[:length]) == ""
    assert skipped(WHOLE + WHOLE[:length]) == WHOLE


def test_the_end_of_one_that_is_no_result_is_not_that_of_the_next_one() -> None:
    assert skipped(returned(end="<body/>") + WHOLE) == ""


def test_the_next_copy_of_a_result_is_found_behind_something_else() -> None:
    other = copy_of(chat("hello"))
    data = f"{other}{WHOLE}{other}".encode()

    assert next_place(data, 0) == len(other)
    assert next_place(data, len(other)) == len(data)
