"""However the stream arrives, the gate lets the same through as if each byte came by itself."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.copies import CopyReader
from support.wire import ALICE, ALICE_PHONE, BOB, COMPONENT, HANDSHAKE, HEADER, HOST, chat, copy_of

from component.xmpp.gate import Gate

NOTE = f"<message from='{HOST}' to='{COMPONENT}'><body>note</body></message>"
PING = f"<iq type='get' id='1' from='{HOST}' to='{COMPONENT}'><ping xmlns='urn:xmpp:ping'/></iq>"

HINT = "<no-store xmlns='urn:xmpp:hints'/>"
TAIL = "</result></message></forwarded></message>"

#: What users can have archived, made to be taken for the end of something.
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


OTHERS = st.sampled_from([" ", NOTE, PING])
STANZAS = st.lists(
    returned() | INSIDE.map(lambda inside: copy_of(chat("hello", extra=inside))) | OTHERS,
    max_size=8,
).map("".join)

HELLO = chat("hello")

#: What users can have sent once or more, made to be taken for what was here before.
SAID = st.sampled_from(
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
    """Return a copy of what may have been here before."""
    copy = copy_of(draw(SAID), draw(st.sampled_from([HOST, HOST, ALICE_PHONE])))
    return copy.replace(" to=", f"{draw(DECLARATIONS)} to=", 1)


def passed(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    """Return what a gate lets through, where to, in its order."""
    found: list[tuple[str, bytes]] = []
    gate = Gate(
        lambda _, raw: found.append(("copy", raw)),
        lambda data: found.append(("stanza", data)),
        max_bytes=10_000,
        max_depth=64,
    )
    for piece in pieces:
        gate.feed(piece)
    return found


PLACES = st.lists(st.floats(0, 1), max_size=4)


def cut(data: bytes, places: list[float], *others: int) -> list[bytes]:
    """Return what is received of a stream that comes in pieces."""
    cuts = sorted({0, len(data), *others, *(int(place * len(data)) for place in places)})
    return [data[start:end] for start, end in pairwise(cuts)]


@given(STANZAS, PLACES)
def test_the_gate_lets_the_same_through_however_the_stream_is_cut(
    stanzas: str, places: list[float]
) -> None:
    opening = f"{HEADER}{HANDSHAKE}"
    data = f"{opening}{stanzas}".encode()

    assert passed(cut(data, places, len(opening))) == passed([bytes([byte]) for byte in data])


@given(st.lists(copies() | OTHERS, max_size=12), PLACES)
def test_what_is_passed_over_unread_makes_no_difference_to_what_is_archived(
    stanzas: list[str], places: list[float]
) -> None:
    data = "".join(stanzas).encode()

    some, all = CopyReader(), CopyReader(remembers=False)
    assert some.read(*cut(data, places)).archived == all.read(*stanzas).archived
    assert len(some.copies) <= len(all.copies)
