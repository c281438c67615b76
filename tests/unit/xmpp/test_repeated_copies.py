"""Repeated copies, equal byte for byte, are skipped without parsing; other copies are parsed."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from support.builders import NOON
from support.copy_reader import CopyReader
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    HEADER,
    NS_FORWARD,
    chat,
    copy_of,
    open_wire,
)

HELLO = copy_of(chat("hello", id="1"))
LOOK = copy_of(chat("look", id="2"))
END = "</message></forwarded></message>"

ANONYMOUS = copy_of(chat("hello").replace(' id="m1"', ""))
BOUNCE = copy_of(
    chat("hello", id="1", type="error", sender=BOB, to=ALICE_PHONE, extra="<error type='cancel'/>")
)


def stanzas(*copies: str) -> list[str]:
    """Return the stanzas in some copies."""
    matches = [
        re.search("<forwarded[^>]*>(.*?)(<a/>)?</forwarded ?></message>$", c) for c in copies
    ]
    return [match[1] if match else "" for match in matches]


def repeat_of(copy: str) -> str:
    """Return another copy of the same stanza."""
    return copy.replace(" id='9'>", " id='10'>", 1)


def test_repeated_copy_is_not_parsed() -> None:
    reader = CopyReader().read(HELLO, repeat_of(HELLO), LOOK, HELLO, LOOK)

    assert reader.copies == stanzas(HELLO, LOOK)


def test_repeats_in_the_same_bytes_are_not_parsed() -> None:
    reader = CopyReader().read(HELLO + repeat_of(HELLO) + LOOK + repeat_of(HELLO) + LOOK)

    assert reader.copies == stanzas(HELLO, LOOK)


def test_nothing_is_skipped_before_the_handshake() -> None:
    assert CopyReader(header=HEADER).read(HELLO, HELLO).scanned == []


@pytest.mark.parametrize(
    "changed",
    [
        HELLO.replace("hello", "hellO"),
        HELLO.replace(ALICE_PHONE, ALICE_PHONE.replace("phone", "phonE")),
        HELLO.replace("</body>", "</body> "),
        HELLO.replace(END, f"<a/>{END}"),
    ],
)
def test_copy_with_a_small_difference_is_parsed(changed: str) -> None:
    assert CopyReader().read(HELLO, changed).copies == stanzas(HELLO, changed)


@pytest.mark.parametrize(
    "changed",
    [
        HELLO.replace("<message ", "<message xmlns:p='urn:p' ", 1),
        HELLO.replace("<message ", "<message xmlns='urn:p' ", 1),
        HELLO.replace("<message ", "<message a='1'\tb='2' ", 1),
        HELLO.replace("<message ", '<message a="1" ', 1),
        HELLO.replace("<forwarded ", "<forwarded xmlns:p='urn:p' "),
        HELLO.replace("</forwarded>", "<a/></forwarded>"),
        HELLO.replace("</forwarded>", "</forwarded >"),
        HELLO.replace("<forwarded", " <forwarded"),
    ],
)
def test_copy_with_other_markup_is_parsed(changed: str) -> None:
    assert CopyReader().read(HELLO, changed).copies == stanzas(HELLO, changed)


def test_end_in_other_markup_of_the_same_length_is_no_end() -> None:
    changed = HELLO.replace("</forwarded>", "</forwarded >")

    assert CopyReader().read(HELLO, changed[:-1], changed[-1]).copies == stanzas(HELLO, changed)


def test_repeated_copy_without_an_id_is_not_parsed() -> None:
    reader = CopyReader().read(ANONYMOUS, ANONYMOUS)

    assert reader.copies == stanzas(ANONYMOUS)


def test_repeated_copy_from_the_recipients_host_is_the_delivery() -> None:
    undelivered = CopyReader().read(HELLO)
    delivered = CopyReader().read(HELLO, HELLO)

    assert [owner for owner, _ in undelivered.archived] == [ALICE]
    assert [owner for owner, _ in delivered.archived] == [ALICE, BOB]


@pytest.mark.parametrize("stranger", ["mallory@example.org/x", "example.net", "evil.example"])
def test_repeat_from_no_virtual_host_is_no_delivery(
    stranger: str,
) -> None:
    forged = HELLO.replace("from='example.org'", f"from='{stranger}'", 1)
    assert forged != HELLO

    assert [owner for owner, _ in CopyReader().read(HELLO, forged).archived] == [ALICE]


def test_repeat_of_a_bounced_message_is_parsed() -> None:
    reader = CopyReader().read(HELLO, BOUNCE, HELLO, HELLO)

    assert reader.copies == stanzas(HELLO, BOUNCE, HELLO)


@pytest.mark.parametrize(
    "body", ["a &amp; b &#x1F600; \U0001f600", "&lt;/message&gt;&lt;/forwarded>", "]]&gt;"]
)
def test_repeat_with_any_text_is_not_parsed(body: str) -> None:
    copy = copy_of(chat(body))

    assert CopyReader().read(copy, copy, LOOK).copies == stanzas(copy, LOOK)


@pytest.mark.parametrize(
    "inside",
    [
        HELLO,
        HELLO + HELLO,
        f"<forwarded xmlns='{NS_FORWARD}'>{chat('hello', id='1')}</forwarded>",
        f"<![CDATA[{END}]]>",
        f"<![CDATA[{END}{HELLO}]]>",
        f"<![CDATA[{HELLO}{HELLO}]]>",
    ],
)
def test_end_of_a_copy_written_by_a_user_is_no_end(inside: str) -> None:
    quoting = copy_of(chat("look", extra=inside, id="2"))
    reader = CopyReader().read(HELLO + quoting + LOOK, HELLO, LOOK)

    assert reader.copies == stanzas(HELLO, quoting, LOOK)
    assert (
        reader.archived
        == CopyReader(remembers=False).read(HELLO, quoting, LOOK, HELLO, LOOK).archived
    )


@pytest.mark.parametrize("is_open", [False, True])
def test_nothing_is_skipped_within_a_stanza(is_open: bool) -> None:
    first_part = copy_of(chat("look", extra="<a>", id="2")).split("<a>")[0]
    second_part = f"{HELLO}{HELLO}{END}"
    reader = CopyReader().read(HELLO)
    if is_open:
        reader.read(first_part, second_part)
    else:
        reader.read(first_part + second_part)

    assert reader.copies == stanzas(HELLO, first_part + second_part)


def test_result_is_the_same_wherever_the_stream_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    # A copy in another minute is no repeat.
    for module in ("xmpp.copies.service_log", "core.archiving.dedup"):
        monkeypatch.setattr(f"component.{module}.now", lambda: NOON)
    copies = [HELLO, LOOK, HELLO, ANONYMOUS, LOOK, BOUNCE, HELLO, HELLO]
    data = "".join(copies).encode()
    expected = CopyReader(remembers=False).read(data).archived

    for place in range(len(data) + 1):
        reader = CopyReader().read(data[:place], data[place:])
        assert reader.archived == expected
        # Four copies are no repeats. A copy that is cut in two is parsed with the bytes after it.
        assert len(reader.copies) in (4, 5, 6)


@pytest.mark.parametrize(
    "data",
    [
        copy_of(chat("look", extra=1000 * HELLO)),
        1000 * copy_of(""),
        1000 * copy_of("<message/>"),
        1000 * copy_of("<message/>").replace("</forwarded>", "</forwarded >") + HELLO,
        copy_of("<message>" * 50 + 1000 * HELLO + "</message>" * 50),
        1000 * HELLO,
    ],
    ids=["within one", "empty", "no end inside", "no end", "deep", "whole"],
)
def test_each_byte_is_looked_up_once_at_most(data: str) -> None:
    """This holds for any number of apparent begins and ends of copies in the received bytes."""
    reader = CopyReader().read(data)

    assert sum(map(len, reader.scanned)) <= len(data)


async def test_component_skips_repeats(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The component would otherwise log that the repeat is too large."""
    large = HELLO.replace(" id='9'>", f" id='{'9' * 10_000}'>", 1)
    async with open_wire(tmp_path, xmpp={"max_stanza_bytes": 10_000}) as wire:
        wire.peer.send(HELLO)
        await wire.caught_up()
        wire.peer.send(large)
        await wire.caught_up()
        passed = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        wire.peer.send(large.replace("hello", "other"))
        await wire.caught_up()
        read = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]

    assert passed == []
    assert [line.partition(":")[0] for line in read] == [
        "left out a stanza that is too large or too deep"
    ]
