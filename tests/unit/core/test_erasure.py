"""Erasure of archives and blanking of messages, both refused under a hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.builders import (
    ALICE,
    BOB,
    HOST,
    MINUTE,
    NOON,
    entries,
    entry,
    everything,
    message,
    stanza,
    texts,
)
from support.databases import has_traces
from support.deliveries import DeliveryBench

from component.core.archiving.policy import Policy
from component.core.archiving.writer import Writer
from component.core.errors import Conflict, ItemNotFound, Overloaded
from component.core.reading.follow import Followers
from component.core.retention.erasure import Erasure
from component.core.retention.holds import Holds
from storage.open import open_storage
from storage.rows import ANY, Hold, Removed
from storage.sql.store import SqlStorage

PATIENCE = 30.0


class Town:
    """An erasure over a store; it records the owners passed to `after_erase`."""

    def __init__(self, storage: SqlStorage) -> None:
        self.storage = storage
        self.writer = Writer(storage.archive)
        self.holds = Holds(storage.holds)
        self.forgotten: list[str] = []
        self.delivering = DeliveryBench(self.writer)
        self.erasure = Erasure(
            storage.retention,
            self.writer,
            self.holds,
            followers=Followers(),
            batch=2,
            before_erase=[self.delivering.deliveries.decide],
            after_erase=[self.forgotten.append],
        )

    async def hold(self) -> None:
        await self.holds.set(Hold(subject=ALICE, reason="r", by="me", at=1))


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_storage("sqlite::memory:") as storage:
        town = Town(storage)
        running = asyncio.create_task(town.writer.run())
        yield town
        await town.erasure.close()
        town.writer.stop()
        await running


async def test_erase_includes_queued_messages_of_the_owner_only(town: Town) -> None:
    town.writer.put([*entries(5), *entries(2, owner=BOB)])

    erased = await town.erasure.erase(ALICE, wait_seconds=PATIENCE)

    assert (erased.messages, erased.done) == (5, True)
    assert [await town.storage.archive.count(owner, ANY) for owner in (ALICE, BOB)] == [0, 2]
    assert town.forgotten == [ALICE]


async def test_erase_includes_undecided_deliveries(town: Town) -> None:
    ingest = town.delivering.ingest(Policy(), [HOST])
    ingest.take(stanza(message(sender=f"{BOB}/b1", to=ALICE)), NOON)

    erased = await town.erasure.erase(ALICE, wait_seconds=PATIENCE)
    town.delivering.now = NOON + MINUTE
    await town.delivering.deliveries.decide_due()
    await town.writer.wait_durable()

    assert (erased.messages, len(town.delivering.deliveries)) == (1, 0)
    assert [await town.storage.archive.count(owner, ANY) for owner in (ALICE, BOB)] == [0, 1]


async def test_calls_during_an_erasure_share_its_repetition(town: Town) -> None:
    """The repetition erases messages received meanwhile and scrubs if a call asks for it."""
    await town.storage.archive.append(entries(100))
    calls = [
        asyncio.create_task(town.erasure.erase(ALICE, wait_seconds=PATIENCE, scrub=scrub))
        for scrub in (False, True, False)
    ]
    while await town.storage.archive.count(ALICE, ANY) == 100:
        pass
    town.writer.put([entry("meanwhile")])
    calls.append(
        asyncio.create_task(town.erasure.erase(ALICE, wait_seconds=PATIENCE, scrub=False))
    )
    erased = await asyncio.gather(*calls)

    assert erased == 4 * [erased[0]]
    assert (erased[0].messages, erased[0].done) == (101, True)
    assert await town.storage.archive.count(ALICE, ANY) == 0
    assert not await has_traces(town.storage)
    assert not town.erasure.is_erasing(ALICE)


async def test_conversation_is_blanked_and_the_rest_of_the_archive_stays(town: Town) -> None:
    carol = f"carol@{HOST}"
    town.writer.put([*entries(5), entry("of carol", peer=carol), *entries(2, owner=BOB)])

    blanked = await town.erasure.blank_conversation(ALICE, BOB, wait_seconds=PATIENCE)

    assert (blanked.messages, blanked.done) == (5, True)
    page = await everything(town.storage.archive)
    assert [bool(row.xml) for row in page.messages] == 5 * [False] + [True]
    assert await town.storage.archive.count(BOB, ANY) == 2
    assert not await has_traces(town.storage)
    again = await town.erasure.blank_conversation(ALICE, BOB, wait_seconds=PATIENCE)
    assert again.messages == 0


async def test_conversation_under_hold_is_not_blanked(town: Town) -> None:
    await town.storage.archive.append([entry()])
    await town.hold()

    with pytest.raises(Conflict):
        await town.erasure.blank_conversation(ALICE, BOB, wait_seconds=PATIENCE)

    assert texts(await everything(town.storage.archive)) == [entry().xml]


async def test_erase_and_blank_under_hold_are_conflicts(town: Town) -> None:
    await town.storage.archive.append([entry()])
    await town.hold()
    [stored] = (await everything(town.storage.archive)).messages

    with pytest.raises(Conflict):
        await town.erasure.erase(ALICE, wait_seconds=PATIENCE)
    with pytest.raises(Conflict):
        await town.erasure.blank(ALICE, stored.id)

    assert texts(await everything(town.storage.archive)) == [entry().xml]


async def test_hold_stops_running_erasure(town: Town) -> None:
    await town.storage.archive.append(entries(100))
    erasing = asyncio.create_task(town.erasure.erase(ALICE, wait_seconds=PATIENCE))
    while await town.storage.archive.count(ALICE, ANY) == 100:
        pass
    await town.hold()

    with pytest.raises(Conflict):
        await erasing

    assert await town.storage.archive.count(ALICE, ANY) > 0


async def test_erasure_goes_on_after_the_wait_and_can_be_joined(town: Town) -> None:
    await town.storage.archive.append(entries(100))

    first = await town.erasure.erase(ALICE, wait_seconds=0)
    second = await town.erasure.erase(ALICE, wait_seconds=PATIENCE)

    assert first == Removed(done=False)
    assert (second.messages, second.done) == (100, True)


async def test_interrupted_erasure_is_logged_and_can_be_repeated(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    await town.storage.archive.append(entries(100))
    await town.erasure.erase(ALICE, wait_seconds=0)
    await town.erasure.close()
    remaining = await town.storage.archive.count(ALICE, ANY)
    assert f"the erasure of the archive of {ALICE} was interrupted" in caplog.text

    second_erasure = await town.erasure.erase(ALICE, wait_seconds=PATIENCE)

    assert (second_erasure.messages, second_erasure.done) == (remaining, True)


async def test_storage_error_is_overloaded(town: Town) -> None:
    await town.storage.archive.append([entry()])
    [stored] = (await everything(town.storage.archive)).messages
    await town.storage.close()

    with pytest.raises(Overloaded):
        await town.erasure.erase(ALICE, wait_seconds=PATIENCE)
    with pytest.raises(Overloaded):
        await town.erasure.blank(ALICE, stored.id)


async def test_blank_removes_content_and_keeps_the_row(town: Town) -> None:
    town.writer.put(entries(2))
    await town.writer.wait_durable()
    first, second = (await everything(town.storage.archive)).messages

    deleted = await town.erasure.blank(ALICE, first.id)

    assert deleted.messages == 1
    assert texts(await everything(town.storage.archive)) == ["", second.xml]


async def test_blank_of_unknown_message_is_item_not_found(town: Town) -> None:
    with pytest.raises(ItemNotFound):
        await town.erasure.blank(ALICE, "unknown")
