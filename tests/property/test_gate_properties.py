"""However the stream arrives, the gate lets the same through as if each byte came by itself."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.wire import ALICE, ALICE_PHONE, COMPONENT, HANDSHAKE, HEADER, HOST, chat, copy_of

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


STANZAS = st.lists(
    returned()
    | INSIDE.map(lambda inside: copy_of(chat("hello", extra=inside)))
    | st.sampled_from([" ", NOTE, PING]),
    max_size=8,
).map("".join)


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


@given(STANZAS, st.lists(st.floats(0, 1), max_size=4))
def test_the_gate_lets_the_same_through_however_the_stream_is_cut(
    stanzas: str, places: list[float]
) -> None:
    data = f"{HEADER}{HANDSHAKE}{stanzas}".encode()
    cuts = sorted(
        {0, len(f"{HEADER}{HANDSHAKE}"), len(data), *(int(p * len(data)) for p in places)}
    )
    pieces = [data[start:end] for start, end in pairwise(cuts)]

    assert passed(pieces) == passed([bytes([byte]) for byte in data])
