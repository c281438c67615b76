"""Which users there are is asked over the stream, by messages that nobody sees."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from pathlib import Path

from support.wire import (
    ALICE,
    BOB,
    COMPONENT,
    DEADLINE_SECONDS,
    FOOTER,
    HOST,
    NS_COMPONENT,
    NS_HINTS,
    NS_PING,
    NS_STANZAS,
    Wire,
    open_wire,
)

from component.xmpp.copies.recipients import RecipientQueries

Asking = asyncio.Task[frozenset[str] | None]


async def ask(wire: Wire) -> tuple[Asking, dict[str, ET.Element], ET.Element]:
    """Ask about Alice and Bob; return the message to each and the ping, as they go out."""
    asking = asyncio.create_task(RecipientQueries(wire.stream, HOST).missing([ALICE, BOB]))
    messages = {message.get("to", ""): message for message in await _sent(wire, 2)}
    [ping] = await _sent(wire, 1)
    return asking, messages, ping


async def _sent(wire: Wire, number: int) -> list[ET.Element]:
    return [await wire.next_sent() for _ in range(number)]


def refuse(wire: Wire, message: ET.Element, *, id: str | None = None) -> None:
    wire.peer.send(
        f"<message type='error' from='{message.get('to')}' to='{COMPONENT}'"
        f" id='{id or message.get('id')}'><error type='cancel'>"
        f"<service-unavailable xmlns='{NS_STANZAS}'/></error></message>"
    )


def answer(wire: Wire, ping: ET.Element, type: str = "result") -> None:
    error = f"<error type='cancel'><service-unavailable xmlns='{NS_STANZAS}'/></error>"
    wire.peer.send(
        f"<iq type='{type}' from='{HOST}' to='{COMPONENT}' id='{ping.get('id')}'>"
        f"{error if type == 'error' else ''}</iq>"
    )


async def test_a_user_whose_message_comes_back_before_the_answer_is_missing(wire: Wire) -> None:
    asking, messages, ping = await ask(wire)
    refuse(wire, messages[BOB])
    answer(wire, ping)

    assert await asking == {BOB}


async def test_nobody_is_missing_of_whom_nothing_comes_back(wire: Wire) -> None:
    asking, _, ping = await ask(wire)
    answer(wire, ping)

    assert await asking == frozenset()


async def test_a_server_that_knows_no_pings_answers_all_the_same(wire: Wire) -> None:
    asking, messages, ping = await ask(wire)
    refuse(wire, messages[ALICE])
    answer(wire, ping, "error")

    assert await asking == {ALICE}


async def test_an_error_for_another_message_says_nothing_of_a_user(wire: Wire) -> None:
    asking, messages, ping = await ask(wire)
    refuse(wire, messages[BOB], id="another")
    answer(wire, ping)

    assert await asking == frozenset()


async def test_the_messages_show_nothing_and_are_stored_nowhere(wire: Wire) -> None:
    """A headline to a user who is away is dropped without a word (RFC 6121 section 8.5.2.2)."""
    asking, messages, ping = await ask(wire)
    for message in messages.values():
        assert (message.get("type"), message.get("from")) == ("headline", COMPONENT)
        assert message.find(f"{{{NS_COMPONENT}}}body") is None
        assert {hint.tag for hint in message} >= {f"{{{NS_HINTS}}}no-store"}
    assert ping.get("to") == f"{HOST}/muniment"
    assert ping.find(f"{{{NS_PING}}}ping") is not None
    answer(wire, ping)
    await asking


async def test_without_an_answer_nothing_is_known(wire: Wire) -> None:
    asking, messages, _ = await ask(wire)
    refuse(wire, messages[BOB])
    wire.peer.send(FOOTER)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await asking is None


async def test_without_a_connection_nothing_is_asked(tmp_path: Path) -> None:
    async with open_wire(tmp_path, connected=False) as wire:
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await RecipientQueries(wire.stream, HOST).missing([ALICE]) is None
