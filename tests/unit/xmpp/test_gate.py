"""The gate: stanzas delivered to slixmpp or archived, and bytes that end the stream."""

from __future__ import annotations

import logging
import tracemalloc

import pytest
from support.wire import (
    COMPONENT,
    FOOTER,
    HANDSHAKE,
    HEADER,
    HOST,
    NS_STREAMS,
    ConnectionClosed,
    Wire,
    chat,
    copy_of,
    open_wire,
    parsed,
)

from component.core.xml.stream_parser import Malformed
from component.xmpp.connection.gate import GRANTS_MAX_BYTES, Gate

NOTE = f"<message from='{HOST}' to='{COMPONENT}'><body>hello</body></message>"


class Reader:
    """A gate with the stanzas that it delivered and archived."""

    def __init__(self, *, max_bytes: int = 10_000, max_depth: int = 16) -> None:
        self.copies: list[bytes] = []
        self.delivered: list[str] = []
        self.gate = Gate(
            lambda _, __, raw: self.copies.append(raw),
            lambda data: self.delivered.append(data.decode()),
            max_bytes=max_bytes,
            max_depth=max_depth,
        )

    def read(self, *texts: str, step: int | None = None) -> Reader:
        data = "".join(texts).encode()
        for start in range(0, len(data), step or len(data)):
            self.gate.feed(data[start : start + (step or len(data))])
        return self

    @property
    def stanzas(self) -> list[str]:
        """The bytes delivered between the stream header and its end."""
        return self.delivered[1:]


def opened(**limits: int) -> Reader:
    """Return a gate whose stream is open."""
    reader = Reader(**limits).read(HEADER, HANDSHAKE)
    reader.delivered.pop()
    return reader


def nested(depth: int) -> str:
    """Return a stanza of this many elements, one inside the other."""
    inner = "<a>" * (depth - 1) + "</a>" * (depth - 1)
    return f"<message from='{HOST}' to='{COMPONENT}'>{inner}</message>"


# --- delivered stanzas


@pytest.mark.parametrize(
    "early",
    [
        NOTE,
        copy_of(chat("hello")),
        f"<iq type='get' id='1' from='{HOST}' to='{COMPONENT}'><ping xmlns='urn:xmpp:ping'/></iq>",
    ],
    ids=["message", "copy", "iq"],
)
def test_nothing_passes_before_the_handshake(early: str) -> None:
    reader = Reader().read(HEADER, early)

    assert (reader.copies, reader.stanzas) == ([], [])


def test_stanza_passes_after_the_handshake() -> None:
    reader = Reader().read(HEADER, HANDSHAKE, NOTE)

    assert reader.stanzas == [HANDSHAKE, NOTE]


def test_stanza_before_the_handshake_is_not_delivered_later() -> None:
    reader = Reader().read(HEADER, NOTE, HANDSHAKE, NOTE)

    assert reader.stanzas == [HANDSHAKE, NOTE]


def test_copy_goes_to_the_archive_only() -> None:
    reader = opened().read(copy_of(chat("hello")))

    assert (reader.copies, reader.stanzas) == ([chat("hello").encode()], [])


@pytest.mark.parametrize("senders", [1, 5000])
def test_stream_is_continued_after_strangers_have_sent_thousands_of_grants(senders: int) -> None:
    grant = NOTE.replace("<body>hello</body>", "<delegation xmlns='urn:xmpp:delegation:1'/>")
    host = f"from='{HOST}'"
    forged = [grant.replace(host, f"from='s{n % senders}.example'") for n in range(5000)]
    large = grant.replace("/></m", f"><x>{'x' * 9000}</x></delegation></m")
    forged += [large.replace(host, f"from='l{n}.example'") for n in range(senders // 10)]
    reader = opened().read(grant, *forged)
    successor = Reader()
    successor.gate.feed(reader.gate.opening)
    successor.read(copy_of(chat("hello")))

    assert successor.copies == [chat("hello").encode()]
    assert successor.stanzas[:2] == [HANDSHAKE, grant]
    assert len(reader.gate.opening) < GRANTS_MAX_BYTES + 1000


def test_copy_is_passed_on_byte_for_byte() -> None:
    stanza = chat("a &amp; b &#x1F600; \u00e9 \U0001f600", extra="<x  a = \"1\"\n b='2>'  />")
    reader = opened().read(copy_of(stanza))

    assert reader.copies == [stanza.encode()]


def test_privileged_message_is_not_a_copy() -> None:
    wrapped = copy_of(chat("hello")).replace("<forwarded", "<privilege xmlns='urn:p'><forwarded")
    reader = opened().read(wrapped.replace("</forwarded>", "</forwarded></privilege>"))

    assert (len(reader.copies), len(reader.stanzas)) == (0, 1)


def test_one_byte_at_a_time_reads_the_same() -> None:
    reader = Reader().read(HEADER, HANDSHAKE, copy_of(chat("h\u00e9llo")), NOTE, FOOTER, step=1)

    assert reader.copies == [chat("h\u00e9llo").encode()]
    assert reader.stanzas == [HANDSHAKE, NOTE, FOOTER]


def test_stanzas_that_arrive_together_keep_their_order() -> None:
    notes = [NOTE.replace("hello", f"hello {number}") for number in range(1000)]
    reader = opened(max_bytes=1_000_000).read(*notes)

    assert reader.stanzas == notes


def test_white_space_between_stanzas_is_ignored() -> None:
    reader = opened().read(" \n", NOTE, " ", NOTE)

    assert reader.stanzas == [NOTE, NOTE]


def test_stream_error_passes_before_the_handshake() -> None:
    error = f"<stream:error><not-authorized xmlns='{NS_STREAMS}'/></stream:error>"
    reader = Reader().read(HEADER, error)

    assert reader.stanzas == [error]


def test_end_of_the_stream_passes() -> None:
    reader = opened().read(FOOTER)

    assert reader.stanzas == [FOOTER]


def test_attributes_of_the_header_pass_with_hostile_values() -> None:
    header = HEADER.replace("3BF96D32", "&quot;&apos;&lt;&amp;&#10;x")
    reader = Reader().read(header)

    assert parsed(f"{reader.delivered[0]}</stream:stream>").get("id") == "\"'<&\nx"


# --- ends of the stream

ENTITIES = "".join(
    f"<!ENTITY e{level} '{f'&e{level - 1};' * 10}'>" if level else "<!ENTITY e0 'ha'>"
    for level in range(10)
)

POISON = {
    "doctype": f"<!DOCTYPE x>{HEADER}",
    "entity bomb": f"<!DOCTYPE x [{ENTITIES}]>{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "&e9;"),
    "external entity": f"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>{HEADER}",
    "comment": f"{HEADER}{HANDSHAKE}<!-- hello -->",
    "comment in a stanza": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "<!-- hello -->"),
    "processing instruction": f"{HEADER}{HANDSHAKE}<?php hello ?>",
    "unknown entity": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "&nbsp;"),
    "NUL": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "\x00"),
    "control character": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "\x08"),
    "reference to a control character": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "&#8;"),
    "reference to a surrogate": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "&#xD800;"),
    "noncharacter": f"{HEADER}{HANDSHAKE}" + NOTE.replace("hello", "\uffff"),
    "wrong end tag": f"{HEADER}{HANDSHAKE}" + NOTE.replace("</body>", "</bodi>"),
    "attribute twice": f"{HEADER}{HANDSHAKE}" + NOTE.replace("<body>", "<body a='1' a='2'>"),
    "second root": f"{HEADER}{FOOTER}{HEADER}",
    "not XML": "HTTP/1.1 400 Bad Request\r\n\r\n",
    "another root": "<html><body/></html>",
    "root in another namespace": HEADER.replace("http://etherx.jabber.org/streams", "urn:x"),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_markup_that_is_not_xmpp_ends_the_stream(poison: str) -> None:
    with pytest.raises(Malformed):
        Reader().read(poison)


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"],
    ids=["stray byte", "overlong NUL", "encoded surrogate", "beyond Unicode"],
)
def test_bytes_that_are_not_utf_8_end_the_stream(raw: bytes) -> None:
    reader = opened()

    with pytest.raises(Malformed):
        reader.gate.feed(NOTE.encode().replace(b"hello", raw))


async def test_entity_bomb_ends_the_connection_with_one_log_line(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.peer.send("<!DOCTYPE x [<!ENTITY e 'ha'>]>")
    await wire.peer.connection_closed()
    await wire.welcome()

    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "the server's stream is refused" in warnings[0]


# --- oversized stanzas


@pytest.mark.parametrize("step", [None, 1000], ids=["in one piece", "in many pieces"])
def test_stanza_above_the_size_limit_is_left_out_and_the_next_one_passes(step: int | None) -> None:
    large = copy_of(chat("x" * 10_001))
    reader = opened(max_bytes=10_000).read(large, NOTE, copy_of(chat("small")), step=step)

    assert reader.copies == [chat("small").encode()]
    assert reader.stanzas == [NOTE]


def test_stanza_of_exactly_the_size_limit_passes() -> None:
    reader = opened(max_bytes=len(NOTE)).read(NOTE)

    assert reader.stanzas == [NOTE]


@pytest.mark.parametrize("step", [None, 100], ids=["in one piece", "in many pieces"])
def test_stanza_above_the_depth_limit_is_left_out_and_the_next_one_passes(
    step: int | None,
) -> None:
    reader = opened(max_depth=16).read(nested(20_000 if step is None else 500), NOTE, step=step)

    assert reader.stanzas == [NOTE]


def test_stanza_of_exactly_the_depth_limit_passes() -> None:
    reader = opened(max_depth=16).read(nested(16))

    assert reader.stanzas == [nested(16)]


def test_oversized_stanza_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    opened(max_depth=16).read(nested(17).replace("<message ", "<message id='m1' "))

    assert [r.getMessage() for r in caplog.records] == [
        f"left out a stanza that is too large or too deep: 'message' with id 'm1', from '{HOST}'"
    ]


def test_oversized_copy_is_logged_with_its_id_and_host_once_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deep = chat("x", id="deep", extra="<a>" * 20 + "</a>" * 20)
    reader = opened(max_depth=16).read(*[copy_of(deep)] * 100, NOTE)

    assert reader.stanzas[-1] == NOTE
    assert [r.getMessage() for r in caplog.records] == [
        f"left out a stanza that is too large or too deep: 'message' with id 'deep', from '{HOST}'"
    ]


async def test_connection_outlives_a_stanza_that_is_too_large(tmp_path) -> None:
    async with open_wire(tmp_path, xmpp={"max_stanza_bytes": 10_000}) as wire:
        wire.say("x" * 1_000_000, id="large")
        wire.say("small")

        assert await wire.bodies("alice@example.org") == ["small"]


def test_markup_without_an_end_ends_the_stream() -> None:
    reader = opened(max_bytes=10_000)

    with pytest.raises(Malformed):
        reader.read("<" + "a" * 1_000_000, step=10_000)


def test_large_stanza_takes_no_memory() -> None:
    reader = opened(max_bytes=10_000)
    reader.gate.feed(b"<message><body>")
    tracemalloc.start()
    try:
        for _ in range(1000):
            reader.gate.feed(b"x" * 20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


def test_white_space_that_never_ends_takes_no_memory() -> None:
    reader = opened(max_bytes=10_000)
    tracemalloc.start()
    try:
        for _ in range(1000):
            reader.gate.feed(b" " * 20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000


# --- malformed stanzas


def test_undeclared_prefix_is_declared_for_slixmpp() -> None:
    reader = opened().read(NOTE.replace("<body>", "<p:x q:y='1'/><body>"))

    root = parsed(reader.stanzas[0])  # raises at a prefix without a declaration
    assert [child.tag.rpartition("}")[2] for child in root] == ["x", "body"]


async def test_copy_with_an_undeclared_prefix_is_archived(wire: Wire) -> None:
    wire.log_copy(chat("hello", extra="<p:x><q:y z:w='1'/></p:x>"))

    [message] = await wire.archived("alice@example.org")
    assert [child.tag.partition("}")[2] for child in parsed(message.xml)] == ["body", "x"]


def test_stanza_with_an_address_that_slixmpp_cannot_read_is_left_out() -> None:
    reader = opened().read(NOTE.replace(HOST, "a@b/\U0001f600"), NOTE)

    assert reader.stanzas == [NOTE]


@pytest.mark.parametrize("payload", ["<x xmlns='x}y'/>", "<x xmlns:p='x}y' p:a='1'/>"])
def test_stanza_that_the_parser_of_slixmpp_refuses_is_left_out(payload: str) -> None:
    reader = opened().read(NOTE.replace("<body>", f"{payload}<body>"), NOTE)

    assert reader.stanzas == [NOTE]


STANZAS = [
    "<iq type='get' id='1' from='{0}' to='{1}'><x xmlns='urn:x'/></iq>",
    "<iq type='set' id='1' from='{0}' to='{1}'><query xmlns='urn:xmpp:mam:2'/></iq>",
    "<iq type='bogus' id='1' from='{0}' to='{1}'><x xmlns='urn:x'/></iq>",
    "<iq from='{0}' to='{1}'/>",
    "<iq type='get' from='{0}' to='{1}'/>",
    "<iq type='result' id='1' from='{0}' to='{1}'><x/><y/></iq>",
    "<iq type='error' id='1' from='{0}' to='{1}'/>",
    "<message from='{0}' to='{1}'/>",
    "<message type='bogus' from='{0}' to='{1}'><body/><body/></message>",
    "<message type='error' from='{0}' to='{1}'><error/></message>",
    "<message type='error' from='{0}' to='{1}'><privilege xmlns='urn:xmpp:privilege:1'/>"
    "</message>",
    "<presence from='{0}' to='{1}'/>",
    "<presence type='subscribe' from='{0}' to='{1}'/>",
    "<presence type='probe' from='{0}' to='{1}'/>",
    "<presence type='bogus' from='{0}' to='{1}'><show>x</show><priority>x</priority></presence>",
    "<presence from='{0}' to='{1}'><priority>99999999999999999999</priority></presence>",
    "<unknown from='{0}' to='{1}'/>",
    "<handshake/>",
    "<handshake>again</handshake>",
    "<message xmlns='jabber:server' from='{0}' to='{1}'/>",
    "<stream:features/>",
    "<iq xml:lang='' type='get' id='1' from='{0}' to='{1}'><query xmlns='jabber:iq:roster'/></iq>",
    "<message from='{0}' to='{1}'><x xmlns=''/></message>",
]


@pytest.mark.parametrize(
    "sender",
    ["mallory@evil.example/x", "mallory@-evil.example/x", "mallory@evil.example/\U0001f600", ""],
    ids=["a JID", "a JID for others only", "not a JID", "nobody"],
)
async def test_no_stanza_of_a_stranger_ends_the_stream(wire: Wire, sender: str) -> None:
    peer = wire.peer

    for number, stanza in enumerate(STANZAS):
        peer.send(stanza.format(sender, COMPONENT))
        peer.send(
            f"<iq type='get' id='p{number}' from='{HOST}' to='{COMPONENT}'>"
            "<ping xmlns='urn:xmpp:ping'/></iq>"
        )
        try:
            while (await peer.next()).get("id") != f"p{number}":
                pass  # an answer to the stanza, if there is one
        except ConnectionClosed:
            pytest.fail(stanza)
