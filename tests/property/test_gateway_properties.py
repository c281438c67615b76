"""A program of the REST gateway that goes on behind its offset sees all that a new one sees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property.test_event_properties import FIRST_STEPS, MESSAGES, PEERS, Step, World
from support.http_services import HOST, open_services

from component.core.gateway import offsets
from component.core.gateway.offsets import Offset
from component.core.gateway.reader import Changes, GatewayReader, Query
from component.web.gateway import objects_json
from component.web.server.settings import Services

OWNERS = (f"gateway{number}@{HOST}" for number in count())

#: A removed contact is not announced, so no contact is removed here.
OTHERS = st.builds(
    Step,
    st.sampled_from(
        ("contact", "unpushed contact", "presence", "absence", "marker", "request", "answer")
    ),
    st.sampled_from(PEERS),
    about=st.integers(0, 4),
    value=st.integers(0, 2),
)
STEPS = st.lists(MESSAGES | OTHERS, min_size=2, max_size=12)


@pytest.fixture(scope="module")
def opened(runner: asyncio.Runner) -> Iterator[Services]:
    """One program for all examples; each has an owner of its own."""
    stack = AsyncExitStack()
    yield runner.run(stack.enter_async_context(open_services()))
    runner.run(stack.aclose())


@dataclass
class Program:
    """What a program knows of an account."""

    reader: GatewayReader
    owner: str
    limit: int
    knows_place: bool = True  #: whether it goes on with the place of an answer
    offset: int = 0
    contacts: dict[str, Any] = field(default_factory=dict)
    messages: dict[str | int, Any] = field(default_factory=dict)

    async def read(self) -> bool:
        """Read the feed behind the offset; return whether there is nothing behind it."""
        query = Query(offset=Offset(self.offset), contacts=True, messages=True, limit=self.limit)
        changes = await self.reader.read(self.owner, query)
        self.take(changes)
        return not changes.more and not (changes.contacts or changes.messages)

    def take(self, changes: Changes) -> None:
        """Take the objects of an answer in the place of those that it had."""
        contacts = [objects_json.contact(item) for item in changes.contacts]
        messages = [objects_json.message(item) for item in changes.messages]
        self.contacts.update({item["jid"]: item for item in contacts})
        self.messages.update({item["message_id"]: item for item in messages})
        event_ids = [item["event_id"] for item in contacts + messages]
        assert all(self.offset < event_id <= changes.event_id for event_id in event_ids)
        if self.knows_place:
            self.offset = changes.event_id
        elif event_ids:
            self.offset = max(event_ids)


@settings(max_examples=30)
@given(
    before=STEPS,
    after=STEPS,
    limit=st.integers(1, 5),
    reads=st.sets(st.integers(0, 11)),
    knows_place=st.booleans(),
)
def test_program_with_an_offset_knows_what_a_new_one_reads(
    runner: asyncio.Runner,
    opened: Services,
    before: list[Step],
    after: list[Step],
    limit: int,
    reads: set[int],
    knows_place: bool,
) -> None:
    async def example() -> None:
        world = World(opened, next(OWNERS))
        reader = GatewayReader(
            opened.storage, world.reader, opened.followers, max_bytes=1024 * 1024
        )
        program = Program(reader, world.owner, limit, knows_place)
        await program.read()
        for step in FIRST_STEPS + before:
            await world.do(step)
        await program.read()
        for number, step in enumerate(after):
            await world.do(step)
            if number in reads:
                await program.read()
        for current in (program, new := Program(reader, world.owner, 1000)):
            while not await current.read():
                pass

        assert program.messages == new.messages
        assert _without_read_offsets(program.contacts) == _without_read_offsets(new.contacts)

    runner.run(example())


def _without_read_offsets(contacts: dict[str, Any]) -> dict[str, Any]:
    """Return contacts without what moves on by the own messages, which are events themselves."""
    return {jid: {**contact, "read_offset": None} for jid, contact in contacts.items()}


@given(st.integers(0, 4 * 10**15))
def test_timestamp_is_read_back_exactly(at: int) -> None:
    assert offsets.parse(repr(offsets.timestamp(at)), "timestamp") == Offset(at=at)


@given(st.integers(0, offsets.EVENT_ID_MAX))
def test_event_id_is_read_back_exactly(event_id: int) -> None:
    assert offsets.parse(str(event_id), "event_id") == Offset(event_id)
