"""Processes ask each other through the server whether they have written their copies."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.wire import (
    ALICE_PHONE,
    COMPONENT,
    NS_COMPONENT,
    NS_STANZAS,
    Wire,
    condition,
    open_wire,
    until,
)

from component.xmpp.copies.other_processes import NS, WRITTEN, WrittenQuestions

OTHER = "archive-2.example.org"
OTHER_FULL = f"{OTHER}/muniment"


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """One of two processes, which writes only when the test says so."""
    processes = [COMPONENT, OTHER]
    async with open_wire(tmp_path, xmpp={"processes": processes}, writing=False) as wire:
        yield wire


def question(sender: str = OTHER_FULL, joined: str = "1", type: str = "get") -> str:
    return (
        f"<iq type='{type}' from='{sender}' to='{COMPONENT}/muniment' id='q1'>"
        f"<written xmlns='{NS}' joined='{joined}'/></iq>"
    )


async def test_question_is_answered_when_all_copies_before_it_are_stored(wire: Wire) -> None:
    wire.say("a")
    wire.peer.send(question())
    answer = asyncio.create_task(wire.next_sent())
    await until(lambda: bool(wire.writer.backlog))
    await asyncio.sleep(0.05)
    assert not answer.done()
    wire.write()

    iq = await answer
    assert not wire.writer.backlog
    assert (iq.tag, iq.get("type"), iq.get("id")) == (f"{{{NS_COMPONENT}}}iq", "result", "q1")
    assert (iq.get("from"), iq.get("to")) == (f"{COMPONENT}/muniment", OTHER_FULL)


@pytest.mark.parametrize("sender", [ALICE_PHONE, f"alice@{OTHER}/muniment", "other.example.org"])
async def test_question_of_anybody_else_is_refused(wire: Wire, sender: str) -> None:
    wire.peer.send(question(sender))

    assert condition(await wire.next_sent()) == "service-unavailable"


@pytest.mark.parametrize("joined", ["", "-1", "soon", "1" * 19])
async def test_question_without_a_time_is_refused(wire: Wire, joined: str) -> None:
    wire.peer.send(question(joined=joined))

    assert condition(await wire.next_sent()) == "bad-request"


async def asked(wire: Wire, patience: float = 30.0) -> tuple[asyncio.Task[bool], ET.Element]:
    asking = WrittenQuestions(wire.stream).has_written(OTHER, 5, patience=patience)
    task = asyncio.create_task(asking)
    return task, await wire.next_sent()


async def test_result_says_that_a_process_has_written(wire: Wire) -> None:
    task, iq = await asked(wire)
    assert (iq.get("from"), iq.get("to")) == (f"{COMPONENT}/muniment", OTHER_FULL)
    assert iq[0].attrib == {"joined": "5"}
    assert iq[0].tag == WRITTEN
    wire.peer.send(
        f"<iq type='result' id='{iq.get('id')}' from='{OTHER_FULL}' to='{COMPONENT}/muniment'/>"
    )

    assert await task


async def test_error_says_nothing_of_what_a_process_has_written(wire: Wire) -> None:
    task, iq = await asked(wire)
    wire.peer.send(
        f"<iq type='error' id='{iq.get('id')}' from='{OTHER_FULL}' to='{COMPONENT}/muniment'>"
        f"<error type='cancel'><service-unavailable xmlns='{NS_STANZAS}'/></error></iq>"
    )

    assert not await task


async def test_process_without_an_answer_has_not_said_what_it_has_written(wire: Wire) -> None:
    task, _ = await asked(wire, patience=0.01)

    assert not await task
