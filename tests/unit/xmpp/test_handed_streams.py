"""A stream that is handed over: another gate continues it at any byte."""

from __future__ import annotations

import pytest
from support.wire import COMPONENT, HANDSHAKE, HEADER, HOST, chat, copy_of

from component.xmpp.connection.gate import Gate

GRANT = (
    f"<message from='{HOST}' to='{COMPONENT}'><delegation xmlns='urn:xmpp:delegation:1'>"
    "<delegated namespace='urn:xmpp:mam:2'/></delegation></message>"
)
NOTE = f"<message from='{HOST}' to='{COMPONENT}'><body>a note</body></message>"
LARGE = chat("x" * 5000)


class Reader:
    """A gate with what it delivered and archived."""

    def __init__(self) -> None:
        self.copies: list[bytes] = []
        self.delivered: list[bytes] = []
        self.gate = Gate(
            lambda _, __, raw: self.copies.append(raw),
            self.delivered.append,
            max_bytes=4000,
            max_depth=16,
        )


TEXT = "".join([copy_of(chat("one")), GRANT, copy_of(chat("zwei ü")), " ", copy_of(chat("3"))])


def whole() -> list[bytes]:
    """Return the copies that one gate reads."""
    reader = Reader()
    reader.gate.feed((HEADER + HANDSHAKE + TEXT).encode())
    return reader.copies


@pytest.mark.parametrize("place", range(0, len(TEXT.encode()) + 1, 3))
def test_gate_that_continues_reads_each_copy_once(place: int) -> None:
    data = TEXT.encode()
    first, second = Reader(), Reader()
    first.gate.feed((HEADER + HANDSHAKE).encode())
    first.gate.feed(data[:place])
    unfinished = first.gate.unfinished
    assert unfinished is not None
    second.gate.feed(first.gate.opening)
    second.gate.feed(unfinished + data[place:])
    assert first.copies + second.copies == whole()
    assert len(whole()) == 3


def test_gate_that_continues_knows_header_handshake_and_grants() -> None:
    first, second = Reader(), Reader()
    first.gate.feed((HEADER + HANDSHAKE + NOTE + GRANT).encode())
    second.gate.feed(first.gate.opening)
    assert second.delivered == [d for d in first.delivered if b"a note" not in d]
    assert b"delegated" in second.delivered[-1]
    assert second.gate.opening == first.gate.opening


def test_stream_before_the_handshake_is_not_handed_over() -> None:
    reader = Reader()
    reader.gate.feed(HEADER.encode())
    assert reader.gate.unfinished is None


def test_stream_in_a_stanza_that_is_too_large_is_handed_over_only_behind_it() -> None:
    reader, data = Reader(), copy_of(LARGE).encode()
    reader.gate.feed((HEADER + HANDSHAKE).encode())
    reader.gate.feed(data[:4500])
    assert reader.gate.unfinished is None
    reader.gate.feed(data[4500:])
    assert reader.gate.unfinished == b""
