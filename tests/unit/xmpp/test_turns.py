"""Turns: nobody waits for the many queries of somebody else."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from support.builders import ALICE, BOB, entries
from support.wire import COMPONENT, Wire, query, until

from component.core.errors import Overloaded
from component.xmpp.queries.turns import AT_ONCE, PENDING_EACH_MAX, PENDING_MAX, Turns


async def wait(turns: Turns, asker: str, done: asyncio.Event) -> None:
    """Hold a turn until something happens."""
    async with turns.of(asker):
        await done.wait()


async def test_asker_of_many_queries_delays_nobody_else() -> None:
    turns, done = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(PENDING_EACH_MAX):
            group.create_task(wait(turns, "mallory", done))
        await asyncio.sleep(0)

        async with turns.of("alice"):
            assert turns.pending == PENDING_EACH_MAX + 1
        done.set()

    assert turns.pending == 0


async def test_one_query_too_many_of_an_asker_is_refused_and_others_are_not() -> None:
    turns, done = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(PENDING_EACH_MAX):
            group.create_task(wait(turns, "mallory", done))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded, match="too many"):
            async with turns.of("mallory"):
                pass
        async with turns.of("alice"):
            pass
        done.set()

    async with turns.of("mallory"):
        assert turns.pending == 1


async def test_one_query_too_many_of_all_is_refused() -> None:
    turns, done = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(PENDING_MAX):
            group.create_task(wait(turns, f"{number}", done))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded):
            async with turns.of("alice"):
                pass
        done.set()


async def test_query_that_waits_too_long_is_refused() -> None:
    turns = Turns(timeout=0.0)
    async with AsyncExitStack() as stack:
        for number in range(AT_ONCE):
            await stack.enter_async_context(turns.of(f"{number}"))

        with pytest.raises(Overloaded):
            async with turns.of("alice"):
                pass

    assert turns.pending == 0


async def test_no_more_than_a_page_waits_for_a_server_that_takes_nothing(wire: Wire) -> None:
    """A turn lasts until the answer was taken, and answers are sent one after the other."""
    body = f"<body>{'x' * 900_000}</body>"
    xml = f"<message xmlns='jabber:client'>{body}</message>"
    for owner in (ALICE, BOB):
        await wire.archive.append(entries(8, owner=owner, xml=xml))
    await wire.caught_up()
    transport = wire.stream.transport
    assert transport is not None
    asked = ((asker, n) for asker in (ALICE, BOB) for n in range(15))
    for asker, n in asked:
        wire.peer.send(
            f"<iq type='set' id='{asker}{n}' from='{asker}/x' to='{COMPONENT}'>{query()}</iq>"
        )

    await until(lambda: transport.get_write_buffer_size() > 0)
    assert wire.queries.turns.pending > 0

    answered = set()
    while len(answered) < 30:
        sent = await wire.next_sent()
        assert transport.get_write_buffer_size() < 2 * 1024 * 1024
        if sent.tag.endswith("iq"):
            answered.add(sent.get("id"))
    await until(lambda: wire.queries.turns.pending == 0)
