"""Turns of requests: the requests of one account do not delay those of others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from component.core.errors import Overloaded, TooMany
from component.core.turns import CROWDED_ABOVE, TurnLimits, Turns

EACH_MAX, MAX, AT_ONCE = 32, 64, 4
LIMITS = TurnLimits(at_once=AT_ONCE, pending_each=EACH_MAX, pending=MAX)


async def wait(turns: Turns, asker: str, released: asyncio.Event) -> None:
    """Hold a turn until the event is set."""
    async with turns.of(asker):
        await released.wait()


class Log:
    """Requests that write down when they have their turn, and end when they are told to."""

    def __init__(self, turns: Turns, group: asyncio.TaskGroup) -> None:
        self.begun: list[str] = []
        self._turns = turns
        self._group = group
        self._released: dict[str, asyncio.Event] = {}

    async def ask(self, *names: str) -> None:
        """Begin requests; the account is the letter before the number."""
        for name in names:
            self._released[name] = asyncio.Event()
            self._group.create_task(self._request(name))
        await asyncio.sleep(0)

    async def end(self, *names: str) -> None:
        """End requests, and let those run that have their turn now."""
        for name in names:
            self._released[name].set()
        for _ in range(5):
            await asyncio.sleep(0)

    async def _request(self, name: str) -> None:
        async with self._turns.of(name[0]):
            self.begun.append(name)
            await self._released[name].wait()


async def test_flood_by_one_account_leaves_the_next_request_of_another_second_in_line() -> None:
    turns = Turns(LIMITS, rest=0)
    async with asyncio.TaskGroup() as group:
        log, names = Log(turns, group), [f"m{number}" for number in range(EACH_MAX)]
        await log.ask(*names)
        await log.ask("a0")

        assert log.begun == ["m0", "a0"]
        await log.end("a0", *names)

    assert log.begun == ["m0", "a0", *names[1:]]


async def test_account_with_few_requests_has_several_turns_at_once() -> None:
    turns = Turns(TurnLimits(at_once=10, at_once_each=4))
    async with asyncio.TaskGroup() as group:
        log, names = Log(turns, group), [f"m{number}" for number in range(6)]
        await log.ask(*names)

        assert log.begun == names[:4]
        await log.end(*names)

    assert log.begun == names


async def test_crowded_account_gets_no_second_turn_beside_the_first() -> None:
    turns = Turns(TurnLimits(at_once=10, at_once_each=4), rest=0)
    async with asyncio.TaskGroup() as group:
        log, names = Log(turns, group), [f"m{number}" for number in range(CROWDED_ABOVE + 4)]
        await log.ask(*names)
        await log.end(*names[:4])

        assert log.begun == names[:5]
        await log.end(*names)

    assert log.begun == names


async def test_crowded_account_rests_after_a_turn() -> None:
    turns = Turns(LIMITS, rest=1e9)
    async with asyncio.TaskGroup() as group:
        log, names = Log(turns, group), [f"m{number}" for number in range(CROWDED_ABOVE + 2)]
        await log.ask(*names)
        await log.end(*names)

        assert log.begun == ["m0"]
        await log.ask("a0", "a1")
        await log.end("a0", "a1")
        assert log.begun == ["m0", "a0", "a1"]

    assert log.begun == ["m0", "a0", "a1", *names[1:]]


async def test_request_that_is_cancelled_while_it_waits_gives_its_turn_to_the_next_one() -> None:
    turns, released = Turns(LIMITS), asyncio.Event()
    first, second, third = (asyncio.create_task(wait(turns, "m", released)) for _ in range(3))
    await asyncio.sleep(0)

    second.cancel()
    released.set()
    await asyncio.gather(first, third)

    assert turns.pending == 0


async def test_request_that_is_cancelled_as_its_turn_comes_gives_it_to_the_next_one() -> None:
    turns, released = Turns(LIMITS), asyncio.Event()
    first, second, third = (asyncio.create_task(wait(turns, "m", released)) for _ in range(3))
    await asyncio.sleep(0)

    released.set()
    first.add_done_callback(lambda _: second.cancel())
    await asyncio.gather(first, third)

    assert turns.pending == 0


async def test_many_requests_of_one_account_do_not_delay_others() -> None:
    turns, released = Turns(LIMITS), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(EACH_MAX):
            group.create_task(wait(turns, "mallory", released))
        await asyncio.sleep(0)

        async with turns.of("alice"):
            assert turns.pending == EACH_MAX + 1
        released.set()

    assert turns.pending == 0


async def test_request_over_the_limit_of_an_account_is_refused() -> None:
    turns, released = Turns(LIMITS), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(EACH_MAX):
            group.create_task(wait(turns, "mallory", released))
        await asyncio.sleep(0)

        with pytest.raises(TooMany, match="too many"):
            async with turns.of("mallory"):
                pass
        async with turns.of("alice"):
            pass
        released.set()

    async with turns.of("mallory"):
        assert turns.pending == 1


async def test_request_over_the_total_limit_is_overloaded() -> None:
    turns, released = Turns(LIMITS), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(MAX):
            group.create_task(wait(turns, f"{number}", released))
        await asyncio.sleep(0)

        with pytest.raises(Overloaded):
            async with turns.of("alice"):
                pass
        released.set()


async def test_request_that_waits_too_long_is_overloaded() -> None:
    turns = Turns(TurnLimits(at_once=AT_ONCE, wait_seconds=0.0))
    async with AsyncExitStack() as stack:
        for number in range(AT_ONCE):
            await stack.enter_async_context(turns.of(f"{number}"))

        with pytest.raises(Overloaded):
            async with turns.of("alice"):
                pass

    assert turns.pending == 0


async def test_requests_that_are_answered_or_wait_can_be_refused() -> None:
    turns = Turns(LIMITS)
    tasks = [asyncio.create_task(wait(turns, "alice", asyncio.Event())) for _ in range(3)]
    await asyncio.sleep(0)

    turns.refuse()
    turns.refuse()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [Overloaded] * 3
    assert turns.idle.is_set()
    async with turns.of("alice"):
        assert turns.pending == 1
