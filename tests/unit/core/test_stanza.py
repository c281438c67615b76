"""Parsed message stanzas and their digests."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, NOON, ROOM, SECOND, delay, message, stanza

from component.core.errors import BadRequest
from component.core.xml.stanza import ORIGIN_BYTES, parse


def digest_of(text: str) -> bytes:
    parsed = stanza(text)
    return parsed.key(parsed.recipient)


def test_stanza_has_its_addresses_and_its_id() -> None:
    parsed = stanza(message(sender=f"{ALICE}/a1", to=f"{BOB}/b1", id="x1"))

    assert (parsed.sender, parsed.recipient, parsed.id) == (f"{ALICE}/a1", f"{BOB}/b1", "x1")


def test_missing_attributes_are_empty() -> None:
    parsed = stanza("<message xmlns='jabber:client'/>")

    assert (parsed.sender, parsed.recipient, parsed.id, parsed.body) == ("", "", "", None)


@pytest.mark.parametrize("type", ["chat", "normal", "groupchat", "headline", "error"])
def test_type_of_the_rfc_is_kept(type: str) -> None:
    assert stanza(message(type=type)).type == type


@pytest.mark.parametrize("type", [None, "", "fancy", "Chat", "chat "])
def test_any_other_type_is_normal(type: str | None) -> None:
    assert stanza(message(type=type)).type == "normal"


def test_body_is_read_as_text() -> None:
    assert (
        stanza(message("a &lt; b &amp; <![CDATA[<c>]]> \U0001f600")).body
        == "a < b & <c> \U0001f600"
    )


def test_first_body_counts() -> None:
    assert stanza(message("one", extra="<body xml:lang='de'>eins</body>")).body == "one"


def test_body_without_text_is_a_body() -> None:
    assert stanza(message("")).body == ""


def test_payloads_are_the_children_by_namespace_and_name() -> None:
    parsed = stanza(message(extra="<x xmlns='u'><deep xmlns='v'/></x><p:y xmlns:p='w'/>"))

    assert parsed.payloads == {("jabber:client", "body"), ("u", "x"), ("w", "y")}


def test_delays_have_the_delaying_server() -> None:
    extra = delay(HOST, "2026-01-01T12:00:00Z") + delay(ROOM, "2026-01-01T12:00:01Z")

    assert stanza(message(extra=extra)).delays == ((HOST, NOON), (ROOM, NOON + SECOND))


@pytest.mark.parametrize(
    "stamp", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+01:00"]
)
def test_delay_without_a_time_is_ignored(stamp: str) -> None:
    assert stanza(message(extra=delay(HOST, stamp))).delays == ()


def test_delay_within_another_child_is_ignored() -> None:
    assert (
        stanza(message(extra=f"<x xmlns='u'>{delay(HOST, '2026-01-01T12:00:00Z')}</x>")).delays
        == ()
    )


# The digest of all copies of a message


def test_digest_has_a_fixed_length() -> None:
    assert len(digest_of(message())) == ORIGIN_BYTES


@pytest.mark.parametrize(
    "added",
    [
        delay(HOST, "2026-01-01T12:00:00Z"),
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{BOB}' id='s1'/>",
        "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
    ],
)
def test_payloads_added_by_servers_do_not_change_the_digest(added: str) -> None:
    assert digest_of(message(extra=added)) == digest_of(message())


def test_order_of_children_does_not_change_the_digest() -> None:
    x, y = "<x xmlns='u'/>", "<y xmlns='u'/>"

    assert digest_of(message(extra=x + y)) == digest_of(message(extra=y + x))


@pytest.mark.parametrize(
    "changed",
    [
        message("other"),
        message(id="m2"),
        message(id=None),
        message(sender=f"{ALICE}/a2"),
        message(sender=ALICE),
        message(to=f"{BOB}/b1"),
        message(to="carol@example.org"),
        message(extra="<x xmlns='u'/>"),
        message(extra="<body>hi</body>"),
        message(None),
        message("hi", extra="<delay xmlns='u'/>"),
        message("hi", extra="<x xmlns='u'>" + delay(HOST, "2026-01-01T12:00:00Z") + "</x>"),
    ],
)
def test_other_content_changes_the_digest(changed: str) -> None:
    assert digest_of(changed) != digest_of(message())


def test_boundaries_of_parts_change_the_digest() -> None:
    parsed = stanza(message(id="ab", sender="a@h/c"))
    origins = {
        parsed._replace(sender="a", recipient="bc", id="d").key("bc"),
        parsed._replace(sender="ab", recipient="c", id="d").key("c"),
        parsed._replace(sender="a", recipient="b", id="cd").key("b"),
        parsed._replace(sender="", recipient="abc", id="d").key("abc"),
        parsed._replace(sender="a", recipient="bc", id="").key("bc"),
        parsed._replace(sender="a", recipient="bc", id="3").key("bc"),
    }

    assert len(origins) == 6


# As a document


def test_stanza_keeps_every_byte() -> None:
    text = message("a\r\n&#13; ü \U0001f600", extra="<x  xmlns = 'u'\n/>")

    assert stanza(text).xml == text


def test_stanza_with_an_undeclared_prefix_becomes_a_document() -> None:
    xml = stanza(message(extra="<q:x/>")).xml

    assert xml.startswith("<message xmlns:q='urn:muniment:undeclared:q' xmlns='jabber:client'")


# From text


def test_text_around_a_stanza_does_not_matter() -> None:
    assert parse(f"\n {message()} \n").body == "hi"


def test_xml_declaration_is_not_part_of_a_stanza() -> None:
    assert parse(f"<?xml version='1.0'?>\n{message()}").xml == message()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "<message>",
        "<iq xmlns='jabber:client'/>",
        "<message/><message/>",
        "<message>\0</message>",
        "<message>\ud800</message>",
        "<message>&nbsp;</message>",
        "<message><!-- c --></message>",
        "<!DOCTYPE message [<!ENTITY a 'aaaa'>]><message>&a;</message>",
    ],
)
def test_text_without_a_stanza_is_bad_request(text: str) -> None:
    with pytest.raises(BadRequest, match="xml: "):
        parse(text)


def test_deeply_nested_text_is_read() -> None:
    depth = 20_000

    assert parse(message(extra="<a>" * depth + "</a>" * depth)).body == "hi"
