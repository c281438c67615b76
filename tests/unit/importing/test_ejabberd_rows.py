"""Rows of ejabberd: compressed stanzas and lists of JIDs, and what is no such row."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.importing.ejabberd_compression import NotCompressed, decompress
from component.importing.ejabberd_preferences import jids_of

OWNER, PEER = "alice@one.test", "bob@one.test/phone"


def text(value: str) -> bytes:
    data = value.encode()
    size = len(data)
    if size < 64:
        return bytes((size,)) + data
    return bytes((size & 63 | 64, size >> 6)) + data


def test_numbers_of_the_table_become_names_and_values() -> None:
    data = (
        b"\x01\x06\x03\x07\x06" + text("m1") + b"\x0b\x0f\x02"  # from, to, id, chat, en
        b"\x08\x02\x01" + text("hi <&> \u00e4" + "x" * 70) + b"\x04"
        b"\x0a\x03" + text("o1") + b"\x02\x04"  # origin-id
        b"\x03" + text("urn:other") + text("x") + b"\x01" + text("a") + text("1'") + b"\x02"
        b"\x02" + text("y") + b"\x02\x04\x04\x04"
    )

    assert decompress(data, OWNER, PEER) == (
        f'<message xmlns="jabber:client" from="{PEER}" to="{OWNER}" id="m1" type="chat"'
        f' xml:lang="en"><body>hi &lt;&amp;&gt; \u00e4{"x" * 70}</body>'
        '<origin-id xmlns="urn:xmpp:sid:0" id="o1"></origin-id>'
        '<x xmlns="urn:other" a="1\'"><y></y></x></message>'
    )


def test_addresses_of_the_owner_are_completed() -> None:
    data = b"\x01\x06\x04" + text("/phone") + b"\x0a" + text("eve@x") + b"\x02\x04"

    assert decompress(data, OWNER, PEER) == (
        f'<message xmlns="jabber:client" from="{OWNER}/phone" to="eve@x"></message>'
    )


@pytest.mark.parametrize(
    "data",
    [
        b"\x01",
        b"\x01\x06\x02",
        b"\x01\x06\x02\x04more",
        b"\x01\xc8",
        b"\x01\x06\x63\x02\x04",
        b"\x01\x06\x06\x7f",
        b"\x01\x06\x02" + b"\x02\x01y\x02" * 600,
        b"\x01\x06\x06\x01\xff\x02\x04",
    ],
)
def test_what_is_not_compressed_is_refused(data: bytes) -> None:
    with pytest.raises(NotCompressed):
        decompress(data, OWNER, PEER)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(NotCompressed):
        decompress(b"\x01" + data, OWNER, PEER)


@pytest.mark.parametrize(
    ("term", "jids"),
    [
        ("[]", ()),
        ('[{<<"bob">>,<<"one.test">>,<<>>}]', ("bob@one.test",)),
        (
            '[{<<"bob">>,<<"one.test">>,<<"a\\"b">>},\n {<<>>,<<"two.test">>,<<>>}]',
            ('bob@one.test/a"b', "two.test"),
        ),
        ('[{<<195,164>>,<<"one.test">>,<<>>}]', ("\u00e4@one.test",)),
        ('[{<<"\u00e4"/utf8>>,<<"one.test">>,<<>>}]', ("\u00e4@one.test",)),
    ],
)
def test_erlang_terms_are_lists_of_jids(term: str, jids: tuple[str, ...]) -> None:
    assert jids_of(term) == jids


@pytest.mark.parametrize(
    "term",
    [
        "",
        "{}",
        "[x]",
        '[{<<"a">>,<<"b">>}]',
        '[{<<"a">>,<<"b">>,<<>>} {<<"a">>,<<"b">>,<<>>}]',
        "[os:cmd(ls)]",
        '[{<<256>>,<<"b">>,<<>>}]',
        "[" + '{<<"a">>,<<"b">>,<<>>},' * 10_001 + '{<<"a">>,<<"b">>,<<>>}]',
    ],
)
def test_any_other_term_is_refused(term: str) -> None:
    with pytest.raises(ValueError, match=r"list of JIDs|range|decode"):
        jids_of(term)
