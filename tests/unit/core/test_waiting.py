"""Stanzas that wait are given out once, and to somebody."""

from __future__ import annotations

import asyncio

import pytest
from support.databases import blocked

from component.core.errors import Overloaded
from component.core.remote_data.offline import OfflineStanzas
from component.xmpp.connection.addresses import Addresses
from storage.interface import Storage

ALICE = "alice@example.org"


@pytest.fixture
def waiting(storage: Storage) -> OfflineStanzas:
    return OfflineStanzas(storage.offline, Addresses())


async def keep(waiting: OfflineStanzas, *seconds: int) -> None:
    for second in seconds:
        await waiting.add(
            ALICE,
            peer="bob@example.org",
            packet=f"<message id='{second}'/>",
            timestamp=f"2026-01-01T00:00:{second:02d}Z",
        )


async def test_whoever_stops_waiting_gets_none_and_they_stay(
    storage: Storage, waiting: OfflineStanzas
) -> None:
    await keep(waiting, 2, 1)
    taking = asyncio.ensure_future(waiting.pop(ALICE))
    async with blocked(storage):
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
    await waiting.wait_for_returns()

    assert [one.stanza for one in await waiting.pop(ALICE)] == [
        "<message id='1'/>",
        "<message id='2'/>",
    ]


async def test_a_store_that_does_not_answer_is_an_overload(
    storage: Storage, waiting: OfflineStanzas
) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await keep(waiting, 1)
    with pytest.raises(Overloaded):
        await waiting.pop(ALICE)
    with pytest.raises(Overloaded):
        await waiting.count(ALICE)
    with pytest.raises(Overloaded):
        await waiting.delete_all(ALICE)
