"""Addresses without an account are found by headlines that no client shows."""

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

MissingTask = asyncio.Task[frozenset[str] | None]


async def ask(wire: Wire) -> tuple[MissingTask, dict[str, ET.Element], ET.Element]:
    """Ask about Alice and Bob; return the two sent messages and the sent ping."""
    task = asyncio.create_task(RecipientQueries(wire.stream, HOST).missing([ALICE, BOB]))
    messages = {message.get("to", ""): message for message in await _sent(wire, 2)}
    [ping] = await _sent(wire, 1)
    return task, messages, ping


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


async def test_user_whose_headline_is_answered_by_an_error_is_missing(wire: Wire) -> None:
    task, messages, ping = await ask(wire)
    refuse(wire, messages[BOB])
    answer(wire, ping)

    assert await task == {BOB}


async def test_user_whose_headline_is_dropped_is_not_missing(wire: Wire) -> None:
    task, _, ping = await ask(wire)
    answer(wire, ping)

    assert await task == frozenset()


async def test_error_of_the_ping_counts_as_an_answer(wire: Wire) -> None:
    task, messages, ping = await ask(wire)
    refuse(wire, messages[ALICE])
    answer(wire, ping, "error")

    assert await task == {ALICE}


async def test_error_of_another_message_is_ignored(wire: Wire) -> None:
    task, messages, ping = await ask(wire)
    refuse(wire, messages[BOB], id="another")
    answer(wire, ping)

    assert await task == frozenset()


async def test_headlines_have_no_body_and_ask_not_to_be_stored(wire: Wire) -> None:
    """The server silently drops a headline to an offline user (RFC 6121 section 8.5.2.2)."""
    task, messages, ping = await ask(wire)
    for message in messages.values():
        assert (message.get("type"), message.get("from")) == ("headline", COMPONENT)
        assert message.find(f"{{{NS_COMPONENT}}}body") is None
        assert {hint.tag for hint in message} >= {f"{{{NS_HINTS}}}no-store"}
    assert ping.get("to") == f"{HOST}/muniment"
    assert ping.find(f"{{{NS_PING}}}ping") is not None
    answer(wire, ping)
    await task


async def test_lost_connection_returns_none(wire: Wire) -> None:
    task, messages, _ = await ask(wire)
    refuse(wire, messages[BOB])
    wire.peer.send(FOOTER)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await task is None


async def test_call_without_a_connection_returns_none(tmp_path: Path) -> None:
    async with open_wire(tmp_path, connected=False) as wire:
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await RecipientQueries(wire.stream, HOST).missing([ALICE]) is None
