"""The gate delivers the same stanzas for all pieces of a stream."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.copy_reader import CopyReader
from support.wire import ALICE, ALICE_PHONE, BOB, COMPONENT, HANDSHAKE, HEADER, HOST, chat, copy_of

from component.core.xml import stream_parser
from component.core.xml.stream_parser import Element, Malformed
from component.xmpp.connection.gate import Gate

NOTE = f"<message from='{HOST}' to='{COMPONENT}'><body>note</body></message>"
PING = f"<iq type='get' id='1' from='{HOST}' to='{COMPONENT}'><ping xmlns='urn:xmpp:ping'/></iq>"

HINT = "<no-store xmlns='urn:xmpp:hints'/>"
TAIL = "</result></message></forwarded></message>"

#: Payloads that users can send and that look like the end of a copy.
PIECES = st.sampled_from(
    [
        "<body>hello</body>",
        "text",
        " ",
        "<a b='>'/>",
        "<result/>",
        "<result xmlns='urn:xmpp:mam:2'>text</result>",
        f"<![CDATA[{TAIL}]]>",
        f"<a b='&lt;result>'>{TAIL.replace('<', '&lt;')}</a>",
        copy_of(f"<message><result xmlns='urn:xmpp:mam:2'>a</result>{HINT}</message>"),
    ]
)
INSIDE = st.lists(PIECES, max_size=3).map("".join)


@st.composite
def returned(draw: st.DrawFn) -> str:
    """Return a copy of a result, or of something like it."""
    name = draw(st.sampled_from(["result", "result", "results"]))
    ns = draw(st.sampled_from(["urn:xmpp:mam:2", "urn:xmpp:mam:2", "urn:x"]))
    behind = draw(st.sampled_from(["", HINT, HINT + HINT, "<body/>"]))
    return copy_of(
        f"<message to='{ALICE_PHONE}' from='{ALICE}' xmlns='jabber:client'>"
        f"<{name} xmlns='{ns}' id='1'>{draw(INSIDE)}</{name}>{behind}</message>"
    )


OTHER_STANZAS = st.sampled_from([" ", NOTE, PING])
STANZAS = st.lists(
    returned() | INSIDE.map(lambda inside: copy_of(chat("hello", extra=inside))) | OTHER_STANZAS,
    max_size=8,
).map("".join)

HELLO = chat("hello")

#: Stanzas that users can send and that look like repeats.
COPIED = st.sampled_from(
    [
        HELLO,
        chat("hello", id="m2"),
        HELLO.replace(' id="m1"', ""),
        HELLO.replace("<message", "<p:message xmlns:p='jabber:client'").replace("</m", "</p:m"),
        chat("hello", type="error", sender=BOB, to=ALICE_PHONE),
        f"{HELLO}{HELLO}",
        chat("hello", extra=copy_of(HELLO)),
        chat("hello", extra=2 * copy_of(HELLO) + "text"),
        chat("hello", extra=f"<![CDATA[{copy_of(HELLO)}]]>"),
        chat("hello", extra=f"<![CDATA[</message></forwarded></message>{copy_of(HELLO)}]]>"),
        "<message xmlns='jabber:client' id='m1'/>",
        "",
    ]
)
DECLARATIONS = st.sampled_from(["", "", "", " xmlns:p='jabber:client'", " xmlns='urn:x'"])


@st.composite
def copies(draw: st.DrawFn) -> str:
    """Return a copy that may be a repeat."""
    copy = copy_of(draw(COPIED), draw(st.sampled_from([HOST, HOST, ALICE_PHONE])))
    return copy.replace(" to=", f"{draw(DECLARATIONS)} to=", 1)


def properties(element: Element, raw: bytes) -> list[object]:
    """Return the properties of a copied element."""
    payloads = [
        (c.ns, c.name, c.get("id"), c.get("by"), c.text, stream_parser.cut(raw, element, c))
        for c in element.elements
    ]
    named = [element.get(name) for name in ("from", "to", "id", "type")]
    return [element.ns, element.name, *named, element.text, *payloads]


def passed(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    """Return the stanzas that a gate delivers and archives, in order."""
    delivered: list[tuple[str, bytes]] = []
    gate = Gate(
        lambda host, stanza, raw: delivered.append(
            (f"copy {host} {properties(stanza, raw)}", raw)
        ),
        lambda data: delivered.append(("stanza", data)),
        max_bytes=10_000,
        max_depth=64,
    )
    try:
        for piece in pieces:
            gate.feed(piece)
    except Malformed:
        delivered.append(("malformed", b""))
    return delivered


PLACES = st.lists(st.floats(0, 1), max_size=4)


def cut(data: bytes, places: list[float], *others: int) -> list[bytes]:
    """Return the stanzas of a stream that arrives in pieces."""
    cuts = sorted({0, len(data), *others, *(int(place * len(data)) for place in places)})
    return [data[start:end] for start, end in pairwise(cuts)]


@given(STANZAS, PLACES)
def test_gate_delivers_the_same_wherever_the_stream_is_cut(
    stanzas: str, places: list[float]
) -> None:
    opening = f"{HEADER}{HANDSHAKE}"
    data = f"{opening}{stanzas}".encode()

    assert passed(cut(data, places, len(opening))) == passed([bytes([byte]) for byte in data])


@given(st.lists(copies() | OTHER_STANZAS, max_size=12), PLACES)
def test_skipping_repeats_does_not_change_the_archive(
    stanzas: list[str], places: list[float]
) -> None:
    data = "".join(stanzas).encode()

    skipping, all = CopyReader(), CopyReader(remembers=False)
    assert skipping.read(*cut(data, places)).archived == all.read(*stanzas).archived
    assert len(skipping.copies) <= len(all.copies)


#: Content of which namespaces decide the meaning, and content that is malformed.
ODD = st.sampled_from(
    [
        "<p:x/>",
        "<x p:a='1'/>",
        "<p:x xmlns:p='urn:p' p:a='1'/>",
        "<x xmlns:p='urn:p' xmlns:q='urn:p' p:a='1' q:a='2'/>",
        "<x xmlns='a&#10;b'/>",
        "<x xmlns=''><body/></x>",
        "<xml:x/>",
        "<stream:x/>",
        "<x a='/>'></x>",
        "<x><y/></x>",
        "<y>" * 62 + "</y>" * 62,
        "<y>" * 61 + "</y>" * 61,
        "<!---->",
        "<?x?>",
        "<!DOCTYPE x>",
        "<![CDATA[<]]>",
        "&lt;&#x1F600;",
        "&nbsp;",
        "\x01",
        "\uffff",
        "\ufeff",
        "\r\n",
        "</message>",
        "<message>",
        "result",
        f"{'x' * 9_000}",
        f"{'x' * 11_000}",
    ]
)


@st.composite
def odd_copies(draw: st.DrawFn) -> str:
    """Return a copy that has something odd at any place in it."""
    copy = draw(copies())
    places = [place for place, character in enumerate(copy) if character in "<>' "]
    place = draw(st.sampled_from(places)) + draw(st.integers(0, 1))
    return copy[:place] + draw(ODD) + copy[place:]


@given(st.lists(odd_copies() | copies() | OTHER_STANZAS, max_size=6), PLACES)
def test_whole_copy_and_stream_parsing_read_a_copy_alike(
    stanzas: list[str], places: list[float]
) -> None:
    opening = f"{HEADER}{HANDSHAKE}"
    data = f"{opening}{''.join(stanzas)}".encode()

    # A copy that arrives byte by byte is never seen complete.
    assert passed(cut(data, places, len(opening))) == passed([bytes([byte]) for byte in data])
