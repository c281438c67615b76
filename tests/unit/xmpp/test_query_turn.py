"""The connection for queries, which one of several processes has at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.wire import FOOTER, PATIENCE, Peer, Wire, open_wire, until

from component.xmpp.connection.query_turn import LEASE, QueryTurn
from storage.processes import Alone, Processes


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


@asynccontextmanager
async def taking_turns(
    wire: Wire, processes: Processes, delegated: asyncio.Event, idle: asyncio.Event
) -> AsyncIterator[QueryTurn]:
    turn = QueryTurn(processes, wire.connection, Given(delegated), idle)
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
    delegated, idle = asyncio.Event(), asyncio.Event()
    idle.set()
    async with taking_turns(wire, Alone(), delegated, idle):
        first = await wire.server.accept()
        await first.welcome()
        await say_goodbye(first)

        second = await wire.server.accept()
        delegated.set()
        await second.welcome()
        await until(lambda: wire.stream.is_up)
        leaving = asyncio.create_task(say_goodbye(second))
    await leaving


async def test_process_connects_only_with_the_lease(wire: Wire) -> None:
    processes, delegated, idle = Alone(), asyncio.Event(), asyncio.Event()
    idle.set()
    delegated.set()
    async with processes.lease(LEASE):
        turning = taking_turns(wire, processes, delegated, idle)
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
    delegated, idle = asyncio.Event(), asyncio.Event()
    idle.set()
    delegated.set()
    async with taking_turns(wire, Alone(), delegated, idle):
        first = await wire.server.accept()
        await first.welcome()
        await first.close()

        second = await wire.server.accept()
        await second.welcome()
        await until(lambda: wire.stream.is_up)
        leaving = asyncio.create_task(say_goodbye(second))
    await leaving


async def test_process_that_leaves_answers_its_queries_first(wire: Wire) -> None:
    delegated, idle = asyncio.Event(), asyncio.Event()
    delegated.set()
    turning = taking_turns(wire, Alone(), delegated, idle)
    await turning.__aenter__()
    peer = await wire.server.accept()
    await peer.welcome()
    await until(lambda: wire.stream.is_up)
    end = asyncio.ensure_future(turning.__aexit__(None, None, None))
    await asyncio.sleep(0)
    assert wire.stream.is_up
    idle.set()
    await say_goodbye(peer)
    await end
