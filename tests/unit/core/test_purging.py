"""Purges delete messages over the bounds of archives, also while the store is in use."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, HOST, ROMEO, ROOM, SECOND, entry, everything
from support.databases import has_traces
from support.sqlite_probe import SqliteProbe

from component.core.access.audit import Audit
from component.core.archiving.writer import Writer
from component.core.errors import Conflict
from component.core.retention.approval import Approval
from component.core.retention.forecast import Forecasts
from component.core.retention.freed import Freed, freed_between
from component.core.retention.holds import Holds
from component.core.retention.janitor import SCHEDULE, Janitor, Timing
from component.core.retention.plan import DAY, PAGE_SIZE, RetentionDefaults, RetentionLimits
from component.core.retention.purge import Progress, Purge, State
from component.core.retention.rules import Rules
from component.core.xml.times import now
from storage.open import open_storage
from storage.rows import ANY, Hold, Kind, Rule, Space
from storage.sql.store import SqlStorage

NEVER = 10_000.0


class Town:
    """The parts of a purge."""

    def __init__(self, storage: SqlStorage, bounds: RetentionLimits) -> None:
        self.storage = storage
        self.rules = Rules(storage.rules)
        self.holds = Holds(storage.holds)
        self.defaults = RetentionDefaults(hosts={HOST: bounds})

    async def purge(
        self, owner: str | None = None, batch: int = 3, page_size: int = PAGE_SIZE
    ) -> Progress:
        purge = Purge(
            self.storage,
            self.rules,
            self.holds,
            self.defaults,
            batch=batch,
            by="me",
            owner=owner,
            page_size=page_size,
        )
        await purge.run()
        return purge.progress

    async def janitor(self, sweep_seconds: float = NEVER) -> Janitor:
        """Return a janitor whose bounds are confirmed."""
        timing = Timing(sweep_seconds=sweep_seconds, batch=3)
        queue = Writer(self.storage.archive)
        forecasts = Forecasts(self.storage, self.rules, self.holds)
        approval = Approval(self.storage.rules, forecasts, self.defaults)
        await approval.confirm()
        audit = Audit(self.storage.audit_log, queue)
        return Janitor(
            self.storage, queue, self.rules, self.holds, self.defaults, timing, approval, audit
        )

    async def count(self, owner: str = ALICE) -> int:
        return await self.storage.archive.count(owner, ANY)

    async def fill(self, count: int, owner: str = ALICE, peer: str = BOB, days: int = 0) -> None:
        """Store messages that were received this number of days ago."""
        base = now() - days * DAY
        await self.storage.archive.append(
            [
                entry(f"{peer}{days}{n}", owner=owner, peer=peer, at=base + n * SECOND)
                for n in range(count)
            ]
        )

    async def counts_by_peer(self, owner: str = ALICE) -> dict[str, int]:
        """Return the number of messages with content, by peer."""
        messages = (await everything(self.storage.archive, owner)).messages
        peers = [message.peer for message in messages if message.kind is not Kind.BLANKED]
        return {peer: peers.count(peer) for peer in peers}


async def test_purge_brings_every_archive_within_its_bounds(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=4))
    for owner in (ALICE, BOB, ROOM):
        await town.fill(10, owner)

    progress = await town.purge()

    assert [await town.count(owner) for owner in (ALICE, BOB, ROOM)] == [4, 4, 10]
    assert (progress.archives, progress.archives_done, progress.messages) == (3, 3, 12)
    assert progress.bytes > 0


async def test_purge_of_one_archive_leaves_others_unchanged(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=4))
    for owner in (ALICE, BOB):
        await town.fill(10, owner)

    progress = await town.purge(ALICE)

    assert [await town.count(owner) for owner in (ALICE, BOB)] == [4, 10]
    assert (progress.archives, progress.owner) == (1, ALICE)


async def test_messages_older_than_the_bound_are_deleted(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(days=7))
    await town.fill(5, days=8)
    await town.fill(5, days=6)

    await town.purge()

    assert await town.count() == 5


async def test_messages_over_a_peer_rule_are_blanked(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(days=30))
    await town.rules.set(Rule(owner=ALICE, peer=ROMEO, days=1))
    for peer in (BOB, ROMEO):
        await town.fill(5, peer=peer, days=2)

    progress = await town.purge()

    assert (await town.counts_by_peer(), await town.count()) == ({BOB: 5}, 10)
    assert (progress.messages, progress.blanked) == (5, 5)
    assert "0 messages deleted, 5 blanked" in progress.summary


async def test_longer_peer_rule_keeps_older_messages_of_that_peer(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(days=7))
    await town.rules.set(Rule(owner=ALICE, peer=ROMEO, days=0))
    for peer in (BOB, ROMEO, ROOM):
        await town.fill(5, peer=peer, days=8)
    await town.fill(5, peer=BOB)

    await town.purge()

    assert await town.counts_by_peer() == {ROMEO: 5, BOB: 5}


async def test_purge_visits_conversations_of_all_pages(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(days=7))
    await town.rules.set(Rule(owner=ALICE, peer=ROMEO, days=0))
    for n in range(8):
        await town.fill(2, peer=f"peer{n}@{HOST}", days=8)

    await town.purge(page_size=3)

    assert await town.counts_by_peer() == {}


async def test_purge_visits_archives_of_all_pages(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    for n in range(8):
        await town.fill(2, f"user{n}@{HOST}")

    assert (await town.purge(page_size=3)).messages == 8


@pytest.mark.parametrize("subject", [ALICE, HOST])
async def test_held_archive_is_not_purged(storage: SqlStorage, subject: str) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.rules.set(Rule(owner=ALICE, peer=BOB, messages=1))
    await town.fill(10)
    await town.holds.set(Hold(subject=subject, reason="r", by="me", at=1))

    progress = await town.purge()

    assert (await town.count(), progress.messages) == (10, 0)


async def test_hold_stops_running_purge_of_the_archive(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.fill(100)
    purge = asyncio.create_task(town.purge(batch=1))
    while await town.count() > 95:
        pass
    await town.holds.set(Hold(subject=ALICE, reason="r", by="me", at=1))
    remaining = await town.count()

    await purge

    assert remaining == await town.count() > 1


async def test_cancelled_purge_keeps_completed_batches(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.fill(100)
    purge = asyncio.create_task(town.purge(batch=1))
    while await town.count() > 95:
        pass
    purge.cancel()
    await asyncio.gather(purge, return_exceptions=True)
    usage = await storage.retention.usage_of(ALICE)

    assert usage.messages == len((await everything(storage.archive)).messages) > 1
    await town.purge()
    assert await town.count() == 1


async def running(janitor: Janitor) -> asyncio.Task[None]:
    """Start a janitor and return it after its first purge."""
    task = asyncio.create_task(janitor.run())
    await finished(janitor)
    return task


async def finished(janitor: Janitor) -> Progress:
    """Return the progress of the running purge after its end."""
    # The store works in a thread of its own, which a loop without a pause would only hinder.
    while janitor.current is not None or janitor.last is None:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    return janitor.last


async def turn() -> None:
    """Let all other tasks run."""
    await asyncio.sleep(0)


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_janitor_purges_at_start_and_by_schedule(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.fill(5)
    janitor = await town.janitor(sweep_seconds=0.01)
    task = await running(janitor)
    assert await town.count() == 1

    await town.fill(5, days=1)
    while await town.count() > 1:
        pass
    last = await finished(janitor)

    assert (last.by, last.state) == (SCHEDULE, State.DONE)
    await cancel(task)


async def test_ordered_purge_starts_at_once(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    janitor = await town.janitor()
    task = await running(janitor)
    await town.fill(5)

    begun = await janitor.order("me", ALICE)
    with pytest.raises(Conflict):
        await janitor.order("me")
    last = await finished(janitor)

    assert begun.state is State.RUNNING
    assert (last.by, last.owner, last.state, last.messages) == ("me", ALICE, State.DONE, 4)
    assert last.finished is not None
    assert janitor.current is None
    await cancel(task)


async def test_only_ordered_purge_scrubs_files(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.fill(5)
    janitor = await town.janitor()
    task = await running(janitor)
    assert await has_traces(storage)

    await janitor.order("me")
    await finished(janitor)
    assert not await has_traces(storage)
    await cancel(task)


async def test_purge_says_what_it_freed_and_what_would_give_back_the_rest(
    tmp_path: Path,
) -> None:
    async with open_storage(f"sqlite:{tmp_path}/archive.db") as storage:
        town = Town(storage, RetentionLimits(messages=1))
        await storage.archive.append([entry(n, xml="x" * 50_000) for n in range(100)])
        janitor = await town.janitor()
        before = await storage.retention.space()
        task = await running(janitor)
        await cancel(task)
        after = await storage.retention.space()

    assert janitor.last is not None
    assert before.used is not None
    assert after.used is not None
    assert janitor.last.freed == Freed(
        freed=before.used - after.used, released=before.disk - after.disk, free=0, remedy=""
    )
    assert janitor.last.freed.freed is not None
    assert janitor.last.freed.freed > 4_000_000
    assert "99 messages deleted, " in janitor.last.summary
    assert " MB given back to the disk, 0 bytes unused in them" in janitor.last.summary


def test_space_that_only_a_rewrite_gives_back_has_a_remedy() -> None:
    before = Space(disk=9_000_000, used=8_000_000, free=1_000_000, has_steps=False)
    after = replace(before, used=2_000_000, free=7_000_000)

    freed = freed_between(before, after)

    assert (freed.freed, freed.released, freed.free) == (6_000_000, 0, 7_000_000)
    assert freed.remedy.startswith("`muniment purge` rewrites the file once")


def test_database_that_does_not_tell_its_unused_space_is_reported_so() -> None:
    before = Space(disk=9_000_000, used=None, free=None, has_steps=False)

    freed = freed_between(before, replace(before, disk=5_000_000))
    rewritten = freed_between(before, replace(before, disk=5_000_000), is_rewritten=True)

    assert (freed.freed, freed.released, freed.free) == (None, 4_000_000, None)
    assert "does not tell how much" in freed.remedy
    assert rewritten.remedy == ""


async def test_purge_is_tried_again_after_storage_error(
    storage: SqlStorage, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.fill(5)
    janitor = await town.janitor()
    await SqliteProbe(storage).execute("ALTER TABLE owners RENAME TO away")
    task = await running(janitor)
    assert janitor.last is not None
    assert janitor.last.state is State.FAILED
    assert "tries again" in caplog.text

    await SqliteProbe(storage).execute("ALTER TABLE away RENAME TO owners")
    await janitor.order("me")
    last = await finished(janitor)

    assert (last.state, await town.count()) == (State.DONE, 1)
    await cancel(task)


async def test_cancelled_janitor_reports_purge_as_stopped(storage: SqlStorage) -> None:
    town = Town(storage, RetentionLimits(messages=1))
    await town.fill(200)
    janitor = await town.janitor()
    task = asyncio.create_task(janitor.run())
    while janitor.current is None or janitor.current.messages == 0:
        await turn()

    await cancel(task)

    assert janitor.last is not None
    assert janitor.last.state is State.STOPPED
    assert await town.count() > 1
