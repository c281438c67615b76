"""Gaps: when one is noted, and which ones a page spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from support.builders import ALICE, NOON, entry

from component.core import gaps as gaps_module
from component.core.gaps import BREAKS_MAX, DISCONNECTED, STOPPED, Gaps
from component.core.reading.page_gaps import spanned
from component.core.reading.pages import PageQuery
from storage.errors import Unavailable
from storage.interface import GapsStore
from storage.open import open_storage
from storage.rows import (
    ANY,
    ArchivedMessage,
    Batch,
    Filter,
    Gap,
    GapState,
    ImportedMessage,
    Page,
)

SECOND = 1_000_000


class Clock:
    """The time until which copies have arrived, in seconds after noon."""

    def __init__(self) -> None:
        self.seconds = 0

    def __call__(self, since: int) -> int:
        return at(self.seconds)


def at(seconds: int) -> int:
    return int(NOON) + seconds * SECOND


def spans(gaps: tuple[Gap, ...]) -> list[tuple[int, int | None, str]]:
    """Return the begins and ends of gaps in seconds after noon, and the reasons."""
    return [
        (
            (gap.begins_at - NOON) // SECOND,
            None if gap.ends_at is None else (gap.ends_at - NOON) // SECOND,
            gap.reason,
        )
        for gap in gaps
    ]


@pytest.fixture
async def store() -> AsyncIterator[GapsStore]:
    async with open_storage("sqlite::memory:") as storage:
        yield storage.gaps


async def stored() -> None:
    """Return at once, as if all messages were stored."""


@asynccontextmanager
async def running(gaps: Gaps) -> AsyncIterator[Gaps]:
    """Run a program's part of gaps from its start to its stop."""
    await gaps.load()
    task = asyncio.create_task(gaps.run())
    try:
        yield gaps
    finally:
        gaps.stop()
        await task
        await gaps.finish()


async def test_first_start_has_no_gap(store: GapsStore) -> None:
    clock = Clock()
    async with running(Gaps(store, clock, stored)) as gaps:
        assert gaps.all() == ()
        gaps.begin(at(5))
        assert gaps.all() == ()
    assert await store.list() == ()


async def test_stopped_program_leaves_a_gap(store: GapsStore) -> None:
    clock = Clock()
    async with running(Gaps(store, clock, stored)) as gaps:
        gaps.begin(at(0))
        clock.seconds = 60
        gaps.end()
    async with running(Gaps(store, clock, stored)) as gaps:
        assert spans(gaps.all()) == [(60, None, STOPPED)]
        gaps.begin(at(90))
        assert spans(gaps.all()) == [(60, 90, STOPPED)]
    assert spans(await store.list()) == [(60, 90, STOPPED)]


async def test_lost_connection_leaves_a_gap(store: GapsStore) -> None:
    clock = Clock()
    async with running(Gaps(store, clock, stored)) as gaps:
        gaps.begin(at(0))
        clock.seconds = 60
        gaps.end()
        clock.seconds = 70
        gaps.end()  # a failed attempt to connect
        assert spans(gaps.all()) == [(60, None, DISCONNECTED)]
        gaps.begin(at(90))
    assert spans(await store.list()) == [(60, 90, DISCONNECTED)]


async def test_connection_that_was_never_broken_has_no_gap(store: GapsStore) -> None:
    """After a take-over the new process continues since the old one has stopped."""
    clock = Clock()
    async with running(Gaps(store, clock, stored)) as gaps:
        gaps.begin(at(0))
        clock.seconds = 60
        gaps.end()
    async with running(Gaps(store, clock, stored)) as gaps:
        gaps.begin(at(60))
        assert gaps.all() == ()


async def test_killed_program_leaves_a_gap_since_the_last_note(
    store: GapsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps_module, "NOTE_SECONDS", 0.001)
    clock = Clock()
    gaps = Gaps(store, clock, stored)
    await gaps.load()
    task = asyncio.create_task(gaps.run())
    gaps.begin(at(0))
    clock.seconds = 50
    async with asyncio.timeout(30):
        while await store.received_until() < at(50):  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    async with running(Gaps(store, clock, stored)) as gaps:
        gaps.begin(at(90))
    assert spans(await store.list()) == [(50, 90, STOPPED)]


async def test_time_is_noted_only_after_its_messages_are_stored(store: GapsStore) -> None:
    clock, durable = Clock(), asyncio.Event()

    async def wait_durable() -> None:
        await durable.wait()

    gaps = Gaps(store, clock, wait_durable)
    await gaps.load()
    task = asyncio.create_task(gaps.run())
    clock.seconds = 50
    gaps.begin(at(0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert await store.received_until() == 0
    durable.set()
    gaps.stop()
    await task


async def test_gap_waits_for_a_store_that_fails(
    store: GapsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, add = Clock(), store.add
    async with running(Gaps(store, clock, stored)) as gaps:
        gaps.begin(at(0))
        gaps.end()

        async def fail(gap: Gap, *, limit: int) -> None:
            raise Unavailable("the disk is full")

        monkeypatch.setattr(store, "add", fail)
        gaps.begin(at(9))
        for _ in range(5):
            await asyncio.sleep(0)
        assert spans(gaps.all()) == [(0, 9, DISCONNECTED)]
        monkeypatch.setattr(store, "add", add)
    assert spans(await store.list()) == [(0, 9, DISCONNECTED)]


async def test_gaps_that_wait_are_bounded_and_none_is_forgotten(store: GapsStore) -> None:
    clock = Clock()
    gaps = Gaps(store, clock, stored)
    for number in range(BREAKS_MAX + 10):
        gaps.begin(at(10 * number + 5))
        clock.seconds = 10 * number + 8
        gaps.end()
    waiting = spans(gaps.all())[:-1]  # without the one that lasts still
    assert len(waiting) == BREAKS_MAX
    assert (waiting[0][0], waiting[-1][1]) == (8, 10 * (BREAKS_MAX + 9) + 5)


async def test_other_process_that_received_copies_shortens_a_gap(store: GapsStore) -> None:
    clock = Clock()
    async with running(Gaps(store, clock, stored, is_shared=True)) as gaps:
        gaps.begin(at(0))
        gaps.end()
        assert gaps.all() == ()
        await store.note_received(at(20))
        gaps.begin(at(30))
    assert spans(await store.list()) == [(20, 30, DISCONNECTED)]


async def test_filled_gap_is_listed_and_not_among_the_unfilled(store: GapsStore) -> None:
    await store.add(Gap(begins_at=at(1), ends_at=at(2), reason=STOPPED), limit=9)
    gaps = Gaps(store, Clock(), stored)
    await gaps.load()
    assert await gaps.fill(1)
    assert not await gaps.fill(2)
    assert spans(gaps.all())[0] == (1, 2, STOPPED)
    # The other one lasts still, because there is no connection.
    assert spans(gaps.unfilled()) == [(2, None, STOPPED)]


GAP = Gap(begins_at=at(12), ends_at=at(15), reason=STOPPED)


async def page(query: PageQuery, *, limit: int = 2) -> tuple[Page, int | None, int | None]:
    """Return a page of messages at 0, 10, 20 and 30, and the times of its cursors."""
    async with open_storage("sqlite::memory:") as storage:
        batch: Batch = [entry(n, at=at(10 * n)) for n in range(4)]
        await storage.archive.append(batch)
        rows = (await storage.archive.page(ALICE, Filter(), limit=9)).messages
        after, before = [
            None if name is None else rows[int(name)] for name in (query.after, query.before)
        ]
        result = await storage.archive.page(
            ALICE,
            query.filter,
            limit=limit,
            after=after and after.id,
            before=before and before.id,
            backwards=query.backwards,
        )
    return result, _time(after), _time(before)


def _time(message: ArchivedMessage | None) -> int | None:
    return None if message is None else message.at


@pytest.mark.parametrize(
    ("query", "limit", "is_spanned"),
    [
        (PageQuery(), 9, True),
        (PageQuery(), 3, True),
        # The gap is between the second and the third message: the page after it shows it.
        (PageQuery(), 2, False),
        (PageQuery(after="1"), 1, True),
        (PageQuery(after="2"), 1, False),
        (PageQuery(backwards=True), 2, False),
        (PageQuery(backwards=True, before="2"), 1, True),
        (PageQuery(backwards=True, before="1"), 1, False),
        (PageQuery(filter=Filter(until=at(10))), 9, False),
        (PageQuery(filter=Filter(until=at(13))), 9, True),
        (PageQuery(filter=Filter(since=at(14))), 9, True),
        (PageQuery(filter=Filter(since=at(16))), 9, False),
        (PageQuery(filter=Filter(since=at(14), until=at(14))), 9, True),
        (PageQuery(filter=Filter(peer="nobody@example.org")), 9, True),
    ],
)
async def test_page_spans_a_gap_between_it_and_the_page_before(
    query: PageQuery, limit: int, is_spanned: bool
) -> None:
    result, after, before = await page(query, limit=limit)
    assert bool(spanned([GAP], result, query, after=after, before=before)) is is_spanned


@pytest.mark.parametrize("backwards", [False, True])
async def test_gap_that_lasts_still_is_behind_the_newest_message(backwards: bool) -> None:
    query = PageQuery(backwards=backwards)
    result, _, _ = await page(query, limit=9)
    lasting = Gap(begins_at=at(31), ends_at=None, reason=DISCONNECTED)
    assert spanned([lasting], result, query) == (lasting,)


async def test_messages_that_are_read_by_their_ids_span_no_gap() -> None:
    query = PageQuery(filter=Filter(ids=("x",)))
    assert spanned([GAP], Page(messages=(), complete=True), query) == ()


async def test_new_gap_is_to_be_filled_if_there_is_a_source() -> None:
    async with open_storage("sqlite::memory:") as storage:
        clock = Clock()
        await storage.gaps.note_received(at(0))
        async with running(Gaps(storage.gaps, clock, stored, backfill=storage.backfill)) as gaps:
            assert [gap.state for gap in gaps.all()] == [GapState.OPEN]
            gaps.begin(at(60))
            clock.seconds = 61
        assert [gap.state for gap in gaps.unsettled()] == [GapState.OPEN]


async def test_place_is_left_before_another_process_says_since_when_it_is_connected() -> None:
    """The first messages arrive at once, and the store answers a little later."""
    async with open_storage("sqlite::memory:") as storage:
        await storage.gaps.note_received(at(0))
        clock, backfill = Clock(), storage.backfill
        own = Gaps(storage.gaps, clock, stored, is_shared=True, backfill=backfill)
        async with running(own) as gaps:
            gaps.connecting(at(60))
            await storage.archive.append([entry("behind", at=at(61))])
            gaps.begin(at(60))
            clock.seconds = 61
        row = ImportedMessage(entry("missed", at=at(30)), "old")
        await storage.backfill.add([row], ends_at=at(60))
        page = await storage.archive.page(ALICE, ANY, limit=5)
    assert [message.at for message in page.messages] == [at(30), at(61)]
