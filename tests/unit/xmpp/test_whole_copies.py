"""Copies that came as a whole: what is in them is read by itself, and heard as from a stream."""

from __future__ import annotations

import pytest
from support.wire import COMPONENT, HANDSHAKE, HEADER, HOST, chat, copy_of

from component.core.xml.stream_parser import Malformed
from component.xmpp.connection.gate import Gate

#: From whom a copy came, what was in it, and whether that is known to stand alone.
Heard = list[tuple[str, str, bool]]


def heard(*texts: str) -> Heard:
    """Return what is heard of the copies in a stream, each text as it is received."""
    found: Heard = []
    gate = Gate(
        lambda host, stanza, raw: found.append((host, raw.decode(), stanza.is_bound)),
        lambda _: None,
        max_bytes=10_000,
        max_depth=16,
    )
    for text in (HEADER + HANDSHAKE, *texts):
        gate.feed(text.encode())
    return found


HELLO = chat("hello")
TAGS = [
    f"<message from='{HOST}' to='{COMPONENT}' id='9'>",
    f"<message to='{COMPONENT}' from='{HOST}' id='17'>",
]


@pytest.mark.parametrize("tag", TAGS)
def test_a_copy_as_the_server_writes_it_is_known_to_stand_alone(tag: str) -> None:
    copy = copy_of(HELLO).replace(TAGS[0], tag)

    assert heard(copy, copy + copy) == 3 * [(HOST, HELLO, True)]


@pytest.mark.parametrize("place", [1, 70, 150, 200])
def test_one_that_came_in_two_pieces_may_lack_something(place: int) -> None:
    copy = copy_of(HELLO)

    assert heard(copy[:place], copy[place:]) == [(HOST, HELLO, False)]


@pytest.mark.parametrize("extra", ["<p:x/>", "<x p:a='1'/>", "<![CDATA[x]]>"])
def test_what_is_not_of_the_usual_kind_is_heard_too(extra: str) -> None:
    stanza = chat("hello", extra=extra)

    assert heard(copy_of(stanza)) == [(HOST, stanza, False)]


@pytest.mark.parametrize("extra", ["<a>result</a>", "<result xmlns='urn:example'/>"])
def test_a_result_that_is_not_of_an_archive_is_like_anything_else(extra: str) -> None:
    stanza = chat("result", extra=extra)

    assert heard(copy_of(stanza)) == [(HOST, stanza, True)]


@pytest.mark.parametrize("step", [None, 50])
def test_what_cannot_be_handled_keeps_no_other_from_being_heard(
    caplog: pytest.LogCaptureFixture, step: int | None
) -> None:
    found: list[bytes] = []

    def hear(_: str, __: object, raw: bytes) -> None:
        found.append(raw)
        if len(found) == 1:
            raise RuntimeError("cannot be handled")

    gate = Gate(hear, lambda _: None, max_bytes=10_000, max_depth=16)
    gate.feed((HEADER + HANDSHAKE).encode())
    data = (copy_of(HELLO) + copy_of(chat("look"))).encode()
    for start in range(0, len(data), step or len(data)):
        gate.feed(data[start : start + (step or len(data))])

    assert found == [HELLO.encode(), chat("look").encode()]
    assert "left out the copy of" in caplog.text


@pytest.mark.parametrize("host", ["m\u00fcller.example", "a&apos;b"])
def test_the_host_is_told_as_it_is_called(host: str) -> None:
    assert heard(copy_of(HELLO, host)) == [(host.replace("&apos;", "'"), HELLO, False)]


@pytest.mark.parametrize(
    "attribute", [" a='1'", " p:a=''", " xml:lang='en'", " xmlns:p='urn:p'", ' a="1"']
)
def test_a_copy_that_is_written_in_another_way_is_heard_too(attribute: str) -> None:
    copy = copy_of(HELLO).replace(" id=", f"{attribute} id=", 1)

    assert heard(copy) == [(HOST, HELLO, False)]


@pytest.mark.parametrize("attribute", [" to='x'", " from='x'", " id='x'", " a='\x01'"])
def test_a_tag_that_is_not_well_formed_ends_the_stream(attribute: str) -> None:
    copy = copy_of(HELLO).replace(" id=", f"{attribute} id=", 1)

    with pytest.raises(Malformed):
        heard(copy)


@pytest.mark.parametrize(
    "inside",
    ["", "text", "<message/>", "<message xmlns='jabber:server'/>", f"<a>{HELLO}</a>"],
)
def test_of_what_is_no_stanza_nothing_is_heard(inside: str) -> None:
    assert heard(copy_of(inside)) == []


def test_of_several_stanzas_the_first_is_heard() -> None:
    assert heard(copy_of(HELLO + chat("look"))) == [(HOST, HELLO, False)]


@pytest.mark.parametrize(
    "extra", ["x" * 10_000, "<a>" * 14 + "</a>" * 14, "<result xmlns='urn:xmpp:mam:2'/>"]
)
def test_of_what_is_left_out_nothing_is_heard(extra: str) -> None:
    assert heard(copy_of(chat("hello", extra=extra))) == []


def test_the_depth_is_that_of_the_stanza_that_was_sent() -> None:
    deepest = chat("hello", extra="<a>" * 13 + "</a>" * 13)

    assert heard(copy_of(deepest)) == [(HOST, deepest, True)]
