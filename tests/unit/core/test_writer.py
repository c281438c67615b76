"""The queue into the store: group commit, back-pressure, outages and the end."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from support.archives import correct, retract
from support.builders import (
    ALICE,
    BOB,
    HOST,
    NOON,
    entries,
    entry,
    everything,
    stanza,
    texts,
)
from support.builders import message as build_message
from support.deliveries import DeliveryBench

from component.core.archiving.ingest import Ingest
from component.core.archiving.policy import Policy
from component.core.archiving.pressure import Backpressure, size_of
from component.core.archiving.writer import Writer
from component.core.errors import BadRequest, Overloaded, Refused
from storage.errors import StorageError, Unavailable
from storage.interface import Archive, Storage
from storage.open import open_storage
from storage.rows import (
    ANY,
    TOMBSTONES_MAX,
    UNFINISHED_MAX,
    AuditEntry,
    NewMessage,
    RetractionOutcome,
)
from storage.sqlite.engine.database import DatabaseTimeouts

quick_writer = partial(Writer, first_retry_seconds=0.001, last_retry_seconds=0.002)


class Watched:
    """The real archive; it records each batch and waits while it is held."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.batches: list[list[NewMessage]] = []
        self.retracted: list[int] = []  #: how many retractions each step carried out
        self.batches_at_retractions: list[int] = []  #: how many batches there were before each
        self.failures = 0
        self.tombstone_failures = 0  #: number of writes of tombstones that will fail
        self._holds_next = False
        self.begun = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()
        self.page = archive.page
        self.page_by_time = archive.page_by_time
        self.count = archive.count
        self.unfinished_retractions = archive.unfinished_retractions

    async def append(self, batch: Sequence[NewMessage]) -> None:
        self.batches.append(list(batch))
        self.begun.set()
        await self.free.wait()
        if self._holds_next:
            self.hold()
        try:
            await self._archive.append(batch)
        except StorageError:
            self.failures += 1
            raise

    async def apply_retractions(self, outcomes: Sequence[RetractionOutcome]) -> None:
        if self.tombstone_failures:
            self.tombstone_failures -= 1
            raise Unavailable
        self.retracted.append(len(outcomes))
        self.batches_at_retractions.append(len(self.batches))
        await self._archive.apply_retractions(outcomes)

    def hold(self) -> None:
        self._holds_next = False
        self.begun.clear()
        self.free.clear()

    def hold_next(self) -> None:
        """Let one batch through and hold the next one."""
        self._holds_next = True
        self.free.set()

    async def next_begun(self) -> None:
        """Wait until the next batch has begun."""
        count = len(self.batches)
        while len(self.batches) == count:
            self.begun.clear()
            await self.begun.wait()

    @property
    def origins(self) -> list[list[bytes]]:
        return [[work.dedup_key for work in batch] for batch in self.batches]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
async def archive(path: Path) -> AsyncIterator[Watched]:
    async with open_storage(f"sqlite:{path}") as storage:
        yield Watched(storage.archive)


@pytest.fixture
def pressure() -> list[bool]:
    """The arguments of the calls of `on_pressure`."""
    return []


@pytest.fixture
def writer(archive: Watched, pressure: list[bool]) -> Writer:
    full = Backpressure(size_of(entries(10)), pressure.append)
    return quick_writer(archive, pressure=full)


def audit_entry(name: object) -> AuditEntry:
    return AuditEntry(at=1, actor="auditor", action="read", subject=ALICE, detail=str(name))


@asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[None]:
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        writer.stop()
        await task


@asynccontextmanager
async def retrying(path: Path) -> AsyncIterator[tuple[Storage, Watched, Writer]]:
    """Open a store that fails soon while it is locked, and a writer that retries soon."""
    timeouts = DatabaseTimeouts(lock=0.001)
    async with open_storage(f"sqlite:{path}", timeouts=timeouts) as storage:
        archive = Watched(storage.archive)
        yield storage, archive, quick_writer(archive)


@asynccontextmanager
async def outage(path: Path) -> AsyncIterator[None]:
    """Let another program lock the file."""
    program = sqlite3.connect(path, isolation_level=None)
    program.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        program.execute("ROLLBACK")
        program.close()


async def fails(archive: Watched, times: int = 1) -> None:
    """Wait until the archive has failed this number of times."""
    while archive.failures < times:
        await archive.next_begun()


# Group commit


async def test_messages_are_stored_in_the_order_of_put(archive: Watched, writer: Writer) -> None:
    async with running(writer):
        for row in entries(5):
            writer.put([row])
            await asyncio.sleep(0)
        await writer.wait_durable()

    assert texts(await everything(archive)) == texts(entries(5))


async def test_messages_put_before_the_start_are_one_commit(
    archive: Watched, writer: Writer
) -> None:
    for row in entries(5):
        writer.put([row])
    async with running(writer):
        await writer.wait_durable()

    assert archive.origins == [[row.dedup_key for row in entries(5)]]


async def test_messages_put_during_a_commit_are_the_next_commit(
    archive: Watched, writer: Writer
) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry("first")])
        await archive.begun.wait()
        for row in entries(5):
            writer.put([row])
            await asyncio.sleep(0)
        archive.free.set()
        await writer.wait_durable()

    assert archive.origins == [[entry("first").dedup_key], [row.dedup_key for row in entries(5)]]


async def test_single_message_is_committed_at_once(archive: Watched, writer: Writer) -> None:
    async with running(writer):
        writer.put([entry(1)])
        await writer.wait_durable()
        writer.put([entry(2)])
        await writer.wait_durable()

    assert archive.origins == [[entry(1).dedup_key], [entry(2).dedup_key]]


async def test_empty_put_writes_nothing(archive: Watched, writer: Writer) -> None:
    async with running(writer):
        writer.put([])
        await writer.wait_durable()

    assert archive.batches == []


# wait_durable


async def test_wait_durable_of_an_empty_queue_returns_at_once(writer: Writer) -> None:
    async with asyncio.timeout(30):
        await writer.wait_durable()


async def test_wait_durable_waits_for_the_commit(archive: Watched, writer: Writer) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry(1)])
        waiter = asyncio.create_task(writer.wait_durable())
        await archive.begun.wait()
        was_done = waiter.done()
        archive.free.set()
        await waiter

    assert (was_done, await archive.count(ALICE, ANY)) == (False, 1)


async def test_wait_durable_does_not_wait_for_later_messages(
    archive: Watched, writer: Writer
) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry(1)])
        waiter = asyncio.create_task(writer.wait_durable())
        await archive.begun.wait()
        writer.put([entry(2)])
        archive.hold_next()
        await waiter
        count = await archive.count(ALICE, ANY)
        archive.free.set()

    assert count == 1


async def test_backlog_counts_messages_that_are_not_durable(
    archive: Watched, writer: Writer
) -> None:
    backlogs = [writer.backlog]
    archive.hold()
    async with running(writer):
        writer.put(entries(3))
        await archive.begun.wait()
        writer.put([entry("more")])
        backlogs.append(writer.backlog)
        archive.free.set()
        await writer.wait_durable()
        backlogs.append(writer.backlog)

    assert backlogs == [0, 4, 0]


async def test_cancelled_wait_does_not_affect_other_waits(
    archive: Watched, writer: Writer
) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry(1)])
        waiters = [asyncio.create_task(writer.wait_durable()) for _ in range(3)]
        await archive.begun.wait()
        waiters[1].cancel()
        archive.free.set()
        results = await asyncio.gather(*waiters, return_exceptions=True)

    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]


# Holding back


async def test_messages_behind_a_hold_wait_for_the_release(
    archive: Watched, writer: Writer
) -> None:
    async with running(writer):
        writer.put([entry(1)])
        writer.hold_back()
        writer.put([entry(2)])
        await writer.wait_durable_before_hold()
        readable = asyncio.create_task(writer.wait_readable(ALICE))
        writer.put([entry(3)])
        await asyncio.sleep(0.01)
        before = texts(await everything(archive)), readable.done()
        writer.release()
        await readable
        await writer.wait_durable()

    assert before == (texts([entry(1)]), False)
    assert archive.origins == [[entry(1).dedup_key], [entry(2).dedup_key, entry(3).dedup_key]]


async def test_second_hold_keeps_the_place_of_the_first(archive: Watched, writer: Writer) -> None:
    async with running(writer):
        writer.hold_back()
        writer.put([entry(1)])
        writer.hold_back()
        writer.put([entry(2)])
        await asyncio.sleep(0.01)
        assert archive.batches == []
        await writer.wait_durable_before_hold()
        writer.release()
        await writer.wait_durable()

    assert texts(await everything(archive)) == texts([entry(1), entry(2)])


async def test_audit_log_entry_behind_a_hold_is_written_after_the_release(
    archive: Watched, writer: Writer
) -> None:
    async with running(writer):
        writer.hold_back()
        recorded = asyncio.create_task(writer.record(audit_entry("a")))
        await asyncio.sleep(0.01)
        assert not recorded.done()
        writer.release()
        await recorded


async def test_messages_behind_a_hold_are_written_after_the_stop(
    archive: Watched, writer: Writer
) -> None:
    async with running(writer):
        writer.hold_back()
        writer.put([entry(1)])
        writer.stop()
        await asyncio.sleep(0.01)
        assert archive.batches == []
        writer.release()
        await writer.wait_durable()

    assert texts(await everything(archive)) == texts([entry(1)])


async def test_messages_behind_a_hold_count_for_the_pressure(
    writer: Writer, pressure: list[bool]
) -> None:
    writer.hold_back()
    writer.put(entries(10))
    async with running(writer):
        assert pressure == [True]
        writer.release()
        await writer.wait_durable()

    assert pressure == [True, False]


# Back-pressure


async def test_queue_below_its_capacity_has_no_pressure(
    writer: Writer, pressure: list[bool]
) -> None:
    writer.put(entries(9))

    assert pressure == []


@pytest.mark.parametrize("count", [10, 11, 50])
async def test_full_queue_reports_pressure_once(
    writer: Writer, pressure: list[bool], count: int
) -> None:
    for row in entries(count):
        writer.put([row])

    assert pressure == [True]


async def test_messages_put_under_pressure_are_stored(archive: Watched, writer: Writer) -> None:
    for row in entries(50):
        writer.put([row])
    async with running(writer):
        await writer.wait_durable()

    assert texts(await everything(archive)) == texts(entries(50))


async def test_pressure_ends_when_the_queue_is_empty(writer: Writer, pressure: list[bool]) -> None:
    writer.put(entries(10))
    async with running(writer):
        await writer.wait_durable()

    assert pressure == [True, False]


@pytest.mark.parametrize(
    ("queued", "expected"), [(4, [True, False]), (5, [True, False]), (6, [True])]
)
async def test_pressure_ends_when_half_of_the_queue_is_free(
    archive: Watched, writer: Writer, pressure: list[bool], queued: int, expected: list[bool]
) -> None:
    archive.hold()
    writer.put(entries(10))
    async with running(writer):
        await archive.begun.wait()
        writer.put([entry("abcdef"[n]) for n in range(queued)])
        archive.hold_next()
        # The second batch begins after the first one has ended the pressure.
        await archive.next_begun()
        observed = list(pressure)
        archive.free.set()

    assert observed == expected


async def test_queue_that_fills_again_reports_pressure_again(
    writer: Writer, pressure: list[bool]
) -> None:
    async with running(writer):
        for n in range(2):
            writer.put([entry(f"{n} {m}") for m in range(10)])
            await writer.wait_durable()

    assert pressure == [True, False, True, False]


# store


async def test_store_returns_once_the_message_is_durable(archive: Watched, writer: Writer) -> None:
    async with running(writer):
        await writer.store([entry(1)])

        assert texts(await everything(archive)) == [entry(1).xml]


async def test_store_on_a_full_queue_is_overloaded(writer: Writer) -> None:
    writer.put(entries(10))

    with pytest.raises(Overloaded):
        await writer.store([entry("more")])


async def test_message_refused_by_a_full_queue_is_not_stored_later(
    archive: Watched, writer: Writer
) -> None:
    writer.put(entries(10))
    with pytest.raises(Overloaded):
        await writer.store([entry("more")])
    async with running(writer):
        await writer.wait_durable()

    assert texts(await everything(archive)) == texts(entries(10))


async def test_store_succeeds_once_the_queue_is_free(archive: Watched, writer: Writer) -> None:
    writer.put(entries(10))
    async with running(writer):
        await writer.wait_durable()
        await writer.store([entry("more")])

    assert await archive.count(ALICE, ANY) == 11


async def test_store_of_a_rejected_message_is_refused(writer: Writer) -> None:
    async with running(writer):
        with pytest.raises(Refused):
            await writer.store([entry(1), entry("bad", xml="\ud800")])


async def test_store_beside_a_rejected_message_is_acknowledged(
    archive: Watched, writer: Writer
) -> None:
    writer.put([entry("bad", xml="\ud800")])
    storing = asyncio.gather(
        *(writer.store([row]) for row in (entry(1), entry("worse", xml="\ud800"), entry(2))),
        return_exceptions=True,
    )
    async with running(writer):
        results = await storing

    assert [type(result).__name__ for result in results] == ["NoneType", "BadRequest", "NoneType"]


def refusals_in_memory() -> list[BadRequest]:
    gc.collect()
    return [item for item in gc.get_objects() if type(item) is BadRequest]


async def test_rejected_message_without_a_waiter_is_not_kept_in_memory(writer: Writer) -> None:
    before = {id(error) for error in refusals_in_memory()}
    bad = entry("bad", xml="\ud800")
    writer.put([bad])
    waiters = [asyncio.create_task(writer.store([bad, bad])) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    async with running(writer):
        results = await asyncio.gather(*waiters, return_exceptions=True)
        await writer.wait_durable()

    assert [type(result).__name__ for result in results] == ["CancelledError", *2 * ["BadRequest"]]
    waiters.clear()
    results.clear()
    assert [error for error in refusals_in_memory() if id(error) not in before] == []


# Entries of the audit log


async def test_audit_entries_share_a_commit(archive: Watched, writer: Writer) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry(1)])
        await archive.begun.wait()
        lines = [asyncio.create_task(writer.record(audit_entry(n))) for n in range(8)]
        await asyncio.sleep(0)
        assert not any(line.done() for line in lines)
        archive.free.set()
        await asyncio.gather(*lines)

    assert len(archive.batches) == 2


async def test_audit_entry_during_an_outage_is_refused_and_never_written(
    path: Path,
) -> None:
    async with retrying(path) as (storage, _, writer):
        async with running(writer):
            async with outage(path):
                writer.put([entry("kept")])
                with pytest.raises(Overloaded):
                    await writer.record(audit_entry(1))
            await writer.wait_durable()
            await writer.record(audit_entry(2))

        assert [line.detail for line in await storage.audit_log.entries(limit=10)] == ["2"]
        assert await storage.archive.count(ALICE, ANY) == 1


# Outages


async def test_messages_of_an_outage_are_stored_in_order_after_it(path: Path) -> None:
    async with retrying(path) as (_, archive, writer):
        async with running(writer):
            async with outage(path):
                writer.put([entry("first")])
                await fails(archive)
                for row in entries(5):
                    writer.put([row])
                await fails(archive, 3)
            await writer.wait_durable()

        assert texts(await everything(archive)) == texts([entry("first"), *entries(5)])


async def test_writer_is_unhealthy_during_an_outage(path: Path) -> None:
    async with retrying(path) as (_, archive, writer):
        healthy = [writer.is_healthy]
        async with running(writer):
            async with outage(path):
                writer.put([entry(1)])
                await fails(archive, 2)
                healthy.append(writer.is_healthy)
            await writer.wait_durable()
            healthy.append(writer.is_healthy)

    assert healthy == [True, False, True]


async def test_stop_during_an_outage_returns_unwritten_messages(path: Path) -> None:
    async with retrying(path) as (_, archive, writer):
        task = asyncio.create_task(writer.run())
        async with outage(path):
            writer.put(entries(3))
            await fails(archive)
            writer.put([entry("behind")])
            writer.stop()
            await task

        assert writer.unwritten == (*entries(3), entry("behind"))
        assert await archive.count(ALICE, ANY) == 0


async def test_cancelled_writer_returns_unwritten_messages(
    archive: Watched, writer: Writer
) -> None:
    archive.hold()
    task = asyncio.create_task(writer.run())
    writer.put(entries(2))
    await archive.begun.wait()
    writer.put([entry("behind")])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert writer.unwritten == (*entries(2), entry("behind"))


async def test_waits_for_an_ended_writer_are_overloaded(archive: Watched, writer: Writer) -> None:
    archive.hold()
    task = asyncio.create_task(writer.run())
    writer.put([entry(1)])
    await archive.begun.wait()
    waits = [writer.wait_durable(), writer.wait_durable(ALICE), writer.wait_readable(ALICE)]
    waiters = [asyncio.create_task(wait) for wait in [*waits, writer.store([entry(2)])]]
    await asyncio.sleep(0)
    task.cancel()
    results = await asyncio.gather(*waiters, writer.wait_readable(ALICE), return_exceptions=True)

    assert [type(result) for result in results] == [Overloaded] * 5


async def test_exception_in_on_written_ends_the_writer(archive: Watched) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a fault of the caller")

    writer = Writer(archive, on_written=fail)
    writer.put([entry(1)])

    with pytest.raises(RuntimeError):
        await writer.run()
    await writer.wait_durable()
    writer.put([entry(2)])
    with pytest.raises(Overloaded):
        await writer.wait_durable()


async def test_reads_continue_during_an_outage(path: Path) -> None:
    async with retrying(path) as (_, _, writer), running(writer):
        async with outage(path):
            writer.put([entry(1)])
            read_task = asyncio.create_task(writer.wait_readable(ALICE))
            write_task = asyncio.create_task(writer.wait_durable(ALICE))
            await read_task
            await writer.wait_readable(ALICE)
            was_written = write_task.done()
        await write_task

    assert not was_written


async def test_reads_do_not_wait_while_writes_are_paused(archive: Watched, writer: Writer) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry(1)])
        read_task = asyncio.create_task(writer.wait_readable(ALICE))
        await archive.begun.wait()
        async with writer.writes_paused():
            await read_task
            await writer.wait_readable(ALICE)
        next_read = asyncio.create_task(writer.wait_readable(ALICE))
        await asyncio.sleep(0)
        was_over = next_read.done()
        archive.free.set()
        await next_read

    assert not was_over


async def test_waits_of_one_owner_ignore_messages_of_others(
    archive: Watched, writer: Writer
) -> None:
    archive.hold()
    async with running(writer):
        writer.put([entry(1, owner=BOB)])
        await archive.begun.wait()
        await writer.wait_durable(ALICE)
        await writer.wait_readable(ALICE)
        archive.free.set()


@pytest.mark.parametrize("places", [[0], [3], [7], [0, 1], [2, 5], [0, 7], list(range(8))])
async def test_rejected_message_alone_is_left_out(
    archive: Watched, writer: Writer, places: list[int]
) -> None:
    rows = [entry(n, xml="\ud800" if n in places else f"<x>{n}</x>") for n in range(8)]
    writer.put(rows)
    async with running(writer):
        await writer.wait_durable()

    accepted = [row for n, row in enumerate(rows) if n not in places]
    assert texts(await everything(archive)) == texts(accepted)


async def test_rejected_message_does_not_affect_other_archives(
    archive: Watched, writer: Writer
) -> None:
    writer.put([entry(1, owner=BOB), entry("bad", xml="\ud800"), entry(2, owner=BOB)])
    async with running(writer):
        await writer.wait_durable()

    assert texts(await everything(archive, BOB)) == texts([entry(1), entry(2)])


async def test_rejected_message_is_logged_without_its_text(
    writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(writer):
        writer.put([entry("bad", xml="a secret \ud800")])
        await writer.wait_durable()

    assert (ALICE in caplog.text, "secret" in caplog.text) == (True, False)


async def test_wait_durable_ends_after_a_rejected_message(
    archive: Watched, writer: Writer
) -> None:
    async with running(writer):
        writer.put([entry("bad", xml="\ud800")])
        await writer.wait_durable()
        writer.put([entry(1)])
        await writer.wait_durable()

    assert (await archive.count(ALICE, ANY), writer.backlog) == (1, 0)


# The end


async def test_stop_writes_queued_messages(archive: Watched, writer: Writer) -> None:
    archive.hold()
    task = asyncio.create_task(writer.run())
    writer.put([entry("first")])
    await archive.begun.wait()
    writer.put(entries(5))
    writer.stop()
    archive.free.set()
    await task

    assert texts(await everything(archive)) == texts([entry("first"), *entries(5)])


async def test_stop_before_the_start_writes_queued_messages(
    archive: Watched, writer: Writer
) -> None:
    writer.put(entries(3))
    writer.stop()
    await writer.run()

    assert texts(await everything(archive)) == texts(entries(3))


async def test_stop_with_an_empty_queue_ends_at_once(writer: Writer) -> None:
    async with asyncio.timeout(30):
        async with running(writer):
            await asyncio.sleep(0)


async def test_wait_durable_returns_when_the_writer_stops(
    archive: Watched, writer: Writer
) -> None:
    archive.hold()
    task = asyncio.create_task(writer.run())
    writer.put([entry(1)])
    waiter = asyncio.create_task(writer.wait_durable())
    await archive.begun.wait()
    writer.stop()
    archive.free.set()
    await asyncio.gather(task, waiter)

    assert await archive.count(ALICE, ANY) == 1


# Retractions


def take_retracted_message(ingest: Ingest) -> None:
    """Pass a message to Alice and its retraction to ingest."""
    for id, body, extra in (("m", "secret", ""), ("r", None, retract("m"))):
        text = build_message(body, sender=f"{BOB}/b1", to=ALICE, id=id, extra=extra)
        ingest.take(stanza(text), NOON)
        ingest.take(stanza(text), NOON)


async def test_retraction_is_durable_with_its_tombstone(archive: Watched, writer: Writer) -> None:
    async with running(writer):
        take_retracted_message(DeliveryBench(writer).ingest(Policy(), [HOST]))
        await writer.wait_durable()

        assert "secret" not in str(texts(await archive.page(ALICE, ANY, limit=9)))
        assert await archive.unfinished_retractions() == ()


async def test_failed_tombstones_are_written_later(archive: Watched, writer: Writer) -> None:
    archive.tombstone_failures = 3
    async with running(writer):
        take_retracted_message(DeliveryBench(writer).ingest(Policy(), [HOST]))
        await writer.wait_durable()
        async with asyncio.timeout(30):
            while archive.tombstone_failures or await archive.unfinished_retractions():
                await asyncio.wait({asyncio.create_task(writer.wait_durable())})

        assert "secret" not in str(texts(await archive.page(ALICE, ANY, limit=9)))
    assert writer.is_healthy


async def test_messages_of_others_are_written_between_the_retractions_of_a_flood(
    archive: Watched, writer: Writer
) -> None:
    ingest = DeliveryBench(writer).ingest(Policy(), [HOST])
    async with running(writer):
        archive.hold()
        for n in range(2 * UNFINISHED_MAX):
            for id, body, extra in ((f"m{n}", "hi", ""), (f"r{n}", None, retract(f"m{n}"))):
                ingest.take(stanza(build_message(body, id=id, extra=extra)), NOON)
        await archive.begun.wait()
        writer.put(entries(1, owner="carol@example.org"))
        archive.free.set()
        async with asyncio.timeout(30):
            while sum(archive.retracted) < 2 * UNFINISHED_MAX:
                await asyncio.wait({asyncio.create_task(writer.wait_durable())})

    assert archive.retracted[0] == UNFINISHED_MAX
    assert archive.batches_at_retractions[:2] == [1, 2]


async def test_unfinished_retraction_is_finished_by_the_next_run() -> None:
    def message(id: str, extra: str = "", body: str | None = "secret") -> str:
        return build_message(body, sender=f"{BOB}/b1", to=ALICE, id=id, extra=extra)

    async with open_storage("sqlite::memory:") as storage:
        first, second = Writer(storage.archive), Writer(storage.archive)
        delivering = DeliveryBench(first)
        ingest = delivering.ingest(Policy(), [HOST])
        ingest.take(stanza(message("m")), NOON)
        for n in range(TOMBSTONES_MAX + 2):
            ingest.take(stanza(message(f"c{n}", correct("m"))), NOON)
        ingest.take(stanza(message("r", retract("m"), body=None)), NOON)
        delivering.deliveries.decide()
        first.stop()
        await first.run()
        unfinished = await storage.archive.unfinished_retractions()

        running = asyncio.create_task(second.run())
        while await storage.archive.unfinished_retractions():
            await asyncio.wait({running}, timeout=0)
        second.stop()
        await running

        assert {retraction.owner for retraction in unfinished} == {ALICE, BOB}
        for owner in (ALICE, BOB):
            assert not any(
                "secret" in xml for xml in texts(await everything(storage.archive, owner))
            )
