"""Copies of answers of the archive are skipped without parsing; other copies are parsed."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, chat, copy_of

from component.xmpp.connection.copy_scanner import behind_answers, is_unfinished, piece_end

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


def end_of_page(inside: str = "<set/>", *, attributes: str = " xmlns='urn:xmpp:mam:2'") -> str:
    """Return the copy of the IQ that ends a page, as ejabberd writes it."""
    start = f"<iq to='{ALICE_PHONE}' from='{ALICE}' type='result' id='1' xmlns='jabber:client'>"
    return copy_of(f"{start}<fin{attributes}>{inside}</fin></iq>")


def read(text: str) -> str:
    """Return what must be parsed of a text if nothing in it is a repeat."""
    data, start, parsed = text.encode(), 0, b""
    while (start := behind_answers(data, start)) < len(data):
        end = piece_end(data, start)
        parsed += data[start:end]
        start = end
    return parsed.decode()


@pytest.mark.parametrize(
    "copy",
    [
        returned(),
        returned(hints=""),
        returned(chat("hello")),
        returned(f"<forwarded xmlns='urn:xmpp:forward:0'>{chat('hello')}</forwarded>"),
        returned(attributes=" id='1' queryid='a b' xmlns='urn:xmpp:mam:2'"),
        returned("<a b='>'/>"),
        end_of_page(),
        end_of_page("<result/>", attributes=" xmlns='urn:xmpp:mam:2' stable='true'"),
    ],
)
def test_copies_of_answers_of_the_archive_are_skipped(copy: str) -> None:
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
        end_of_page(attributes=" xmlns='urn:x'"),
        end_of_page("<fin/>"),
        end_of_page("<![CDATA[</fin></iq></forwarded></message>]]>"),
        end_of_page("</fin><query/><fin>"),
    ],
)
def test_other_copy_is_not_skipped(text: str) -> None:
    assert behind_answers(text.encode(), 0) == 0


@pytest.mark.parametrize("length", [1, len(WHOLE) // 2, len(WHOLE) - 1])
def test_partial_copy_is_not_skipped(length: int) -> None:
    assert read(WHOLE[:length]) == WHOLE[:length]
    assert read(WHOLE + WHOLE[:length]) == WHOLE[:length]


@pytest.mark.parametrize(
    "beginning",
    [
        WHOLE[:20],
        WHOLE[:200],
        WHOLE[: WHOLE.index("</result>")],
        end_of_page()[: end_of_page().index("</fin>")],
    ],
)
def test_beginning_of_an_answer_waits_for_the_rest(beginning: str) -> None:
    assert is_unfinished(beginning.encode())


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        WHOLE[: WHOLE.index("</result>") + 10],
        "<message from='a' to='b'/>",
        "<message from='a' to='b'></message>",
        "<iq type='get' id='1' from='a'>",
        copy_of(chat("hello"))[:-3],
        # Whole stanzas, which somebody has sent us directly.
        returned(attributes=" xmlns='urn:xmpp:mam:2'/").replace("</result>", ""),
        returned(attributes=" xmlns='urn:xmpp:mam:2' id='1'/").replace("</result>", ""),
    ],
)
def test_stanza_that_may_be_whole_waits_for_nothing(text: str) -> None:
    assert not is_unfinished(text.encode())
