"""Turns of queries: the queries of one requester do not delay others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import product

import pytest
from support.builders import ALICE, BOB, entries
from support.wire import COMPONENT, Wire, query, until

from component.core.errors import Overloaded
from component.xmpp.queries.turns import AT_ONCE, PENDING_EACH_MAX, PENDING_MAX, Turns


async def wait(turns: Turns, asker: str, released: asyncio.Event) -> None:
    """Hold a turn until the event is set."""
    async with turns.of(asker):
        await released.wait()


async def test_many_queries_of_one_requester_do_not_delay_others() -> None:
    turns, released = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(PENDING_EACH_MAX):
            group.create_task(wait(turns, "mallory", released))
        await asyncio.sleep(0)

        async with turns.of("alice"):
            assert turns.pending == PENDING_EACH_MAX + 1
        released.set()

    assert turns.pending == 0


async def test_query_over_the_limit_of_a_requester_is_overloaded() -> None:
    turns, released = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(PENDING_EACH_MAX):
            group.create_task(wait(turns, "mallory", released))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded, match="too many"):
            async with turns.of("mallory"):
                pass
        async with turns.of("alice"):
            pass
        released.set()

    async with turns.of("mallory"):
        assert turns.pending == 1


async def test_query_over_the_total_limit_is_overloaded() -> None:
    turns, released = Turns(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(PENDING_MAX):
            group.create_task(wait(turns, f"{number}", released))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded):
            async with turns.of("alice"):
                pass
        released.set()


async def test_queries_that_are_answered_or_wait_can_be_refused() -> None:
    turns = Turns()
    tasks = [asyncio.create_task(wait(turns, "alice", asyncio.Event())) for _ in range(3)]
    await asyncio.sleep(0)

    turns.refuse()
    turns.refuse()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [Overloaded] * 3
    assert turns.idle.is_set()
    async with turns.of("alice"):
        assert turns.pending == 1


async def test_query_that_waits_too_long_is_overloaded() -> None:
    turns = Turns(timeout=0.0)
    async with AsyncExitStack() as stack:
        for number in range(AT_ONCE):
            await stack.enter_async_context(turns.of(f"{number}"))

        with pytest.raises(Overloaded):
            async with turns.of("alice"):
                pass

    assert turns.pending == 0


async def test_at_most_one_page_waits_for_a_slow_server(wire: Wire) -> None:
    """A turn lasts until the server has read the answer, and answers are sent one by one."""
    body = f"<body>{'x' * 900_000}</body>"
    xml = f"<message xmlns='jabber:client'>{body}</message>"
    for owner in (ALICE, BOB):
        await wire.archive.append(entries(8, owner=owner, xml=xml))
    await wire.caught_up()
    transport = wire.stream.transport
    assert transport is not None
    for asker, n in product((ALICE, BOB), range(15)):
        wire.peer.send(
            f"<iq type='set' id='{asker}{n}' from='{asker}/x' to='{COMPONENT}'>{query()}</iq>"
        )

    await until(lambda: transport.get_write_buffer_size() > 0)
    assert wire.queries.turns.pending > 0

    answered_ids = set()
    while len(answered_ids) < 30:
        stanza = await wire.next_sent()
        assert transport.get_write_buffer_size() < 2 * 1024 * 1024
        if stanza.tag.endswith("iq"):
            answered_ids.add(stanza.get("id"))
    await until(lambda: wire.queries.turns.pending == 0)
