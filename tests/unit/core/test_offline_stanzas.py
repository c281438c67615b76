"""Offline stanzas are popped once, and only by a caller that gets them."""

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
def offline(storage: Storage) -> OfflineStanzas:
    return OfflineStanzas(storage.offline, Addresses())


async def add(offline: OfflineStanzas, *seconds: int) -> None:
    for second in seconds:
        await offline.add(
            ALICE,
            peer="bob@example.org",
            packet=f"<message id='{second}'/>",
            timestamp=f"2026-01-01T00:00:{second:02d}Z",
        )


async def test_cancelled_pop_keeps_the_stanzas(storage: Storage, offline: OfflineStanzas) -> None:
    await add(offline, 2, 1)
    pop_task = asyncio.ensure_future(offline.pop(ALICE))
    async with blocked(storage):
        await asyncio.sleep(0)
        pop_task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pop_task
    await offline.wait_for_returns()

    assert [row.stanza for row in await offline.pop(ALICE)] == [
        "<message id='1'/>",
        "<message id='2'/>",
    ]


async def test_closed_store_is_overloaded(storage: Storage, offline: OfflineStanzas) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await add(offline, 1)
    with pytest.raises(Overloaded):
        await offline.pop(ALICE)
    with pytest.raises(Overloaded):
        await offline.count(ALICE)
    with pytest.raises(Overloaded):
        await offline.delete_all(ALICE)
