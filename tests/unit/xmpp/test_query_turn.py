"""The connection for queries, which one of several processes has at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.wire import FOOTER, PATIENCE, Peer, Wire, open_wire, until

from component.core.errors import Overloaded
from component.core.turns import Turns
from component.xmpp.connection.query_turn import (
    DELEGATION_SECONDS,
    KEEP_SECONDS,
    LEASE,
    QueryTurn,
)
from component.xmpp.queries.dispatch import LIMITS
from storage.processes import Alone, Lease, Processes


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that has not connected yet."""
    async with open_wire(tmp_path, connected=False, patience=PATIENCE) as wire:
        yield wire


class Given:
    """Delegations of all virtual hosts, or of none."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    async def wait_delegated(self) -> None:
        await self._event.wait()

    def is_any_delegated(self) -> bool:
        return self._event.is_set()


class GivenByOne(Given):
    """A delegation of one virtual host, while another one does not delegate."""

    def is_any_delegated(self) -> bool:
        return True


@asynccontextmanager
async def taking_turns(
    wire: Wire,
    processes: Processes,
    delegated: asyncio.Event | Given,
    turns: Turns | None = None,
    *,
    keep_seconds: float = KEEP_SECONDS,
) -> AsyncIterator[QueryTurn]:
    turn = QueryTurn(
        processes,
        wire.connection,
        delegated if isinstance(delegated, Given) else Given(delegated),
        turns or Turns(LIMITS),
        keep_seconds=keep_seconds,
    )
    task = asyncio.create_task(turn.run())
    try:
        yield turn
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def say_goodbye(peer: Peer) -> None:
    """Close the stream after the component has done so."""
    await peer.stream_closed()
    peer.send(FOOTER)
    await peer.close()


async def test_connection_without_delegation_is_made_anew(wire: Wire) -> None:
    delegated = asyncio.Event()
    async with taking_turns(wire, Alone(), delegated):
        first = await wire.server.accept()
        await first.welcome()
        await say_goodbye(first)

        second = await wire.server.accept()
        delegated.set()
        await second.welcome()
        await until(lambda: wire.stream.is_up)
        leaving = asyncio.create_task(say_goodbye(second))
    await leaving


async def test_connection_is_kept_at_the_second_try_if_only_one_host_delegates(
    wire: Wire,
) -> None:
    turns = Turns(LIMITS)
    async with taking_turns(wire, Alone(), GivenByOne(asyncio.Event()), turns):
        first = await wire.server.accept()
        await first.welcome()
        await until(lambda: wire.stream.is_up)
        async with turns.of("alice"):
            await asyncio.sleep(2 * DELEGATION_SECONDS)
            # Its query is answered first.
            assert wire.stream.is_up
        await say_goodbye(first)

        second = await wire.server.accept()
        await second.welcome()
        await until(lambda: wire.stream.is_up)
        await asyncio.sleep(2 * DELEGATION_SECONDS)
        assert wire.stream.is_up
        leaving = asyncio.create_task(say_goodbye(second))
    await leaving


async def test_process_connects_only_with_the_lease(wire: Wire) -> None:
    processes, delegated = Alone(), asyncio.Event()
    delegated.set()
    async with processes.lease(LEASE):
        turning = taking_turns(wire, processes, delegated)
        turn = await turning.__aenter__()
        await asyncio.sleep(0)
        assert not turn.has_turn
    peer = await wire.server.accept()
    await peer.welcome()
    assert turn.has_turn
    await until(lambda: wire.stream.is_up)
    leaving = asyncio.create_task(say_goodbye(peer))
    await turning.__aexit__(None, None, None)
    await leaving
    assert not turn.has_turn


async def test_lost_connection_gives_the_lease_back_and_connects_anew(wire: Wire) -> None:
    delegated = asyncio.Event()
    delegated.set()
    async with taking_turns(wire, Alone(), delegated):
        first = await wire.server.accept()
        await first.welcome()
        await first.close()

        second = await wire.server.accept()
        await second.welcome()
        await until(lambda: wire.stream.is_up)
        leaving = asyncio.create_task(say_goodbye(second))
    await leaving


async def test_process_that_leaves_answers_its_queries_first(wire: Wire) -> None:
    delegated, turns = asyncio.Event(), Turns(LIMITS)
    delegated.set()
    turning = taking_turns(wire, Alone(), delegated, turns)
    await turning.__aenter__()
    peer = await wire.server.accept()
    await peer.welcome()
    await until(lambda: wire.stream.is_up)
    async with turns.of("alice"):
        end = asyncio.ensure_future(turning.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert wire.stream.is_up
    await say_goodbye(peer)
    await end


async def test_process_that_leaves_refuses_what_it_cannot_answer(wire: Wire) -> None:
    delegated, turns = asyncio.Event(), Turns(LIMITS)
    delegated.set()
    turning = taking_turns(wire, Alone(), delegated, turns)
    await turning.__aenter__()
    peer = await wire.server.accept()
    await peer.welcome()
    await until(lambda: wire.stream.is_up)

    async def never_answered() -> None:
        async with turns.of("alice"):
            await asyncio.Event().wait()

    query = asyncio.create_task(never_answered())
    await asyncio.sleep(0)
    end = asyncio.ensure_future(turning.__aexit__(None, None, None))
    with pytest.raises(Overloaded):
        await query
    assert wire.stream.is_up
    await say_goodbye(peer)
    await end


class Losing(Alone):
    """Processes that lose their leases; then nobody can have one, or another process has it."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = asyncio.Event()
        self._is_free = asyncio.Event()
        self._is_free.set()
        self.waiting: asyncio.Queue[asyncio.Event] = asyncio.Queue()
        self.given = 0

    def lose(self) -> None:
        self._is_free.clear()
        self._lost.set()

    def free(self) -> None:
        self._lost = asyncio.Event()
        self._is_free.set()

    @asynccontextmanager
    async def lease(self, name: str, taken: asyncio.Event | None = None) -> AsyncIterator[Lease]:
        if taken is not None:
            self.waiting.put_nowait(taken)
        await self._is_free.wait()
        self.given += 1
        yield Lease(self._lost)


async def test_connection_stays_while_nobody_can_have_the_lease(wire: Wire) -> None:
    processes, delegated = Losing(), asyncio.Event()
    delegated.set()
    async with taking_turns(wire, processes, delegated) as turn:
        peer = await wire.server.accept()
        await peer.welcome()
        await until(lambda: wire.stream.is_up)
        await processes.waiting.get()
        processes.lose()
        await processes.waiting.get()
        assert turn.has_turn
        processes.free()
        await until(lambda: processes.given == 2)
        await asyncio.sleep(0)
        assert turn.has_turn
        assert wire.stream.is_up
        leaving = asyncio.create_task(say_goodbye(peer))
    await leaving


@pytest.mark.parametrize("is_taken", [True, False])
async def test_connection_without_lease_ends_when_another_process_has_it_or_after_some_time(
    wire: Wire, is_taken: bool
) -> None:
    processes, delegated = Losing(), asyncio.Event()
    delegated.set()
    keep_seconds = KEEP_SECONDS if is_taken else 0.0
    async with taking_turns(wire, processes, delegated, keep_seconds=keep_seconds) as turn:
        peer = await wire.server.accept()
        await peer.welcome()
        await until(lambda: wire.stream.is_up)
        await processes.waiting.get()
        processes.lose()
        taken = await processes.waiting.get()
        if is_taken:
            taken.set()
        await say_goodbye(peer)
        await until(lambda: not wire.stream.is_up)
        assert not turn.has_turn
