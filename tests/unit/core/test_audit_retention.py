"""Old calls of ejabberd's API leave the audit log; everything else stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from support.builders import ALICE, NOON, SECOND

from component.core.access.audit_retention import AuditRetention
from storage.errors import Unavailable
from storage.interface import Storage
from storage.open import open_storage
from storage.rows import AuditEntry

DAY = 24 * 60 * 60 * SECOND


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("sqlite::memory:") as storage:
        yield storage


async def actions(storage: Storage) -> list[str]:
    lines = await storage.audit_log.entries(limit=50)
    return [line.action for line in reversed(lines)]


async def record(storage: Storage, *actions: str, at: int) -> None:
    for action in actions:
        entry = AuditEntry(at=at, actor=ALICE, action=action, subject=ALICE)
        await storage.archive.append([entry])


async def test_calls_are_deleted_at_their_age_in_steps(storage: Storage) -> None:
    time = NOON
    retention = AuditRetention(
        storage.audit_log, days=3, sweep_seconds=60, batch=2, clock=lambda: time
    )
    await record(storage, *("api status", "erase", "api status", "api status", "read"), at=NOON)
    await record(storage, "api get_roster", at=NOON + DAY)

    time = NOON + 3 * DAY
    await retention.delete_old_calls()
    assert len(await actions(storage)) == 6

    time += 1
    await retention.delete_old_calls()
    assert await actions(storage) == ["erase", "read", "api get_roster"]

    time += DAY
    await retention.delete_old_calls()
    assert await actions(storage) == ["erase", "read"]


async def test_failure_of_the_store_is_repeated_at_the_next_time(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        """The audit log of a store that fails once."""

        has_failed = False
        entries = storage.audit_log.entries

        async def delete_oldest_calls(self, *, before: int, after: int, limit: int) -> int | None:
            if not self.has_failed:
                self.has_failed = True
                raise Unavailable("disk full")
            return await storage.audit_log.delete_oldest_calls(
                before=before, after=after, limit=limit
            )

    await record(storage, "api status", at=NOON)
    retention = AuditRetention(Failing(), days=1, sweep_seconds=0.01)
    running = asyncio.create_task(retention.run())

    async with asyncio.timeout(30):
        while await actions(storage):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert "old calls stay in the audit log until the next attempt: disk full" in caplog.text
