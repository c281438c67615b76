"""Complete copies: their stanza is parsed as a document, with the same result as in a stream."""

from __future__ import annotations

import pytest
from support.wire import COMPONENT, HANDSHAKE, HEADER, HOST, chat, copy_of

from component.core.xml.stream_parser import Malformed
from component.xmpp.connection.gate import Gate

#: The host of a copy, its stanza, and whether all prefixes of the stanza are declared in it.
Copies = list[tuple[str, str, bool]]


def copies_in(*texts: str) -> Copies:
    """Return the copies that a gate handles in a stream of these texts."""
    copies: Copies = []
    gate = Gate(
        lambda host, stanza, raw: copies.append((host, raw.decode(), stanza.is_bound)),
        lambda _: None,
        max_bytes=10_000,
        max_depth=16,
    )
    for text in (HEADER + HANDSHAKE, *texts):
        gate.feed(text.encode())
    return copies


HELLO = chat("hello")
TAGS = [
    f"<message from='{HOST}' to='{COMPONENT}' id='9'>",
    f"<message to='{COMPONENT}' from='{HOST}' id='17'>",
]


@pytest.mark.parametrize("tag", TAGS)
def test_whole_copy_is_parsed_as_a_document(tag: str) -> None:
    copy = copy_of(HELLO).replace(TAGS[0], tag)

    assert copies_in(copy, copy + copy) == 3 * [(HOST, HELLO, True)]


@pytest.mark.parametrize("place", [70, 150])
def test_copy_of_which_nothing_had_ended_waits_for_the_rest(place: int) -> None:
    copy = copy_of(HELLO)

    assert copies_in(copy[:place], copy[place:]) == [(HOST, HELLO, True)]


@pytest.mark.parametrize("place", [1, copy_of(HELLO).index("</") + 2, len(copy_of(HELLO)) - 1])
def test_copy_in_two_pieces_is_parsed_as_part_of_the_stream(place: int) -> None:
    copy = copy_of(HELLO)

    assert copies_in(copy[:place], copy[place:]) == [(HOST, HELLO, False)]


@pytest.mark.parametrize("extra", ["<p:x/>", "<x p:a='1'/>", "<![CDATA[x]]>"])
def test_copy_with_unusual_markup_is_handled(extra: str) -> None:
    stanza = chat("hello", extra=extra)

    assert copies_in(copy_of(stanza)) == [(HOST, stanza, False)]


@pytest.mark.parametrize("extra", ["<a>result</a>", "<result xmlns='urn:example'/>"])
def test_result_of_another_namespace_is_handled(extra: str) -> None:
    stanza = chat("result", extra=extra)

    assert copies_in(copy_of(stanza)) == [(HOST, stanza, True)]


@pytest.mark.parametrize("step", [None, 50])
def test_copy_that_raises_does_not_stop_the_next_one(
    caplog: pytest.LogCaptureFixture, step: int | None
) -> None:
    copies: list[bytes] = []

    def hear(_: str, __: object, raw: bytes) -> None:
        copies.append(raw)
        if len(copies) == 1:
            raise RuntimeError("cannot be handled")

    gate = Gate(hear, lambda _: None, max_bytes=10_000, max_depth=16)
    gate.feed((HEADER + HANDSHAKE).encode())
    data = (copy_of(HELLO) + copy_of(chat("look"))).encode()
    for start in range(0, len(data), step or len(data)):
        gate.feed(data[start : start + (step or len(data))])

    assert copies == [HELLO.encode(), chat("look").encode()]
    assert "left out the copy of" in caplog.text


@pytest.mark.parametrize("host", ["m\u00fcller.example", "a&apos;b"])
def test_sender_of_a_copy_is_unescaped(host: str) -> None:
    assert copies_in(copy_of(HELLO, host)) == [(host.replace("&apos;", "'"), HELLO, False)]


@pytest.mark.parametrize(
    "attribute", [" a='1'", " p:a=''", " xml:lang='en'", " xmlns:p='urn:p'", ' a="1"']
)
def test_copy_with_another_attribute_is_handled(attribute: str) -> None:
    copy = copy_of(HELLO).replace(" id=", f"{attribute} id=", 1)

    assert copies_in(copy) == [(HOST, HELLO, False)]


@pytest.mark.parametrize("attribute", [" to='x'", " from='x'", " id='x'", " a='\x01'"])
def test_tag_that_is_not_well_formed_ends_the_stream(attribute: str) -> None:
    copy = copy_of(HELLO).replace(" id=", f"{attribute} id=", 1)

    with pytest.raises(Malformed):
        copies_in(copy)


@pytest.mark.parametrize(
    "inside",
    ["", "text", "<message/>", "<message xmlns='jabber:server'/>", f"<a>{HELLO}</a>"],
)
def test_content_that_is_no_stanza_is_ignored(inside: str) -> None:
    assert copies_in(copy_of(inside)) == []


def test_first_of_several_forwarded_stanzas_is_handled() -> None:
    assert copies_in(copy_of(HELLO + chat("look"))) == [(HOST, HELLO, False)]


@pytest.mark.parametrize(
    "extra", ["x" * 10_000, "<a>" * 14 + "</a>" * 14, "<result xmlns='urn:xmpp:mam:2'/>"]
)
def test_oversized_deep_or_result_copy_is_not_handled(extra: str) -> None:
    assert copies_in(copy_of(chat("hello", extra=extra))) == []


def test_depth_limit_counts_from_the_outer_stanza() -> None:
    deepest = chat("hello", extra="<a>" * 13 + "</a>" * 13)

    assert copies_in(copy_of(deepest)) == [(HOST, deepest, True)]
