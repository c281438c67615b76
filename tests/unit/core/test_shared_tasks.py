"""`SharedTasks`: one task per key that all callers wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from component.core.shared_tasks import SharedTasks

LONG = 10.0


class Work:
    """Work that ends when it is released; counts how often it was started and cancelled."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.release = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.started += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return f"result {self.started}"


@pytest.fixture
def ended() -> list[str]:
    """Keys of the tasks that have ended."""
    return []


@pytest.fixture
async def tasks(ended: list[str]) -> AsyncIterator[SharedTasks[str, str]]:
    tasks = SharedTasks[str, str](lambda key, task: ended.append(key))
    yield tasks
    await tasks.close()


async def test_callers_of_one_key_share_a_task(
    tasks: SharedTasks[str, str], ended: list[str]
) -> None:
    work = Work()
    callers = [asyncio.create_task(tasks.run("a", work, wait_seconds=LONG)) for _ in range(3)]
    await asyncio.sleep(0)
    assert tasks.is_running("a")
    work.release.set()

    assert await asyncio.gather(*callers) == ["result 1"] * 3
    assert (work.started, ended, tasks.is_running("a")) == (1, ["a"], False)


async def test_callers_of_different_keys_have_their_own_tasks(
    tasks: SharedTasks[str, str],
) -> None:
    slow, quick = Work(), Work()
    quick.release.set()
    assert await tasks.run("slow", slow, wait_seconds=0) is None
    assert await tasks.run("quick", quick, wait_seconds=LONG) == "result 1"
    assert tasks.is_running("slow")


async def test_task_continues_after_the_timeout_of_a_caller(
    tasks: SharedTasks[str, str],
) -> None:
    work = Work()
    assert await tasks.run("a", work, wait_seconds=0) is None
    work.release.set()
    assert await tasks.run("a", work, wait_seconds=LONG) == "result 1"


async def test_task_continues_after_a_caller_is_cancelled(tasks: SharedTasks[str, str]) -> None:
    work = Work()
    caller = asyncio.create_task(tasks.run("a", work, wait_seconds=LONG))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)

    assert tasks.is_running("a")
    assert not work.cancelled


async def test_call_after_the_end_starts_a_new_task(tasks: SharedTasks[str, str]) -> None:
    work = Work()
    work.release.set()
    results = [await tasks.run("a", work, wait_seconds=LONG) for _ in range(2)]
    assert results == ["result 1", "result 2"]


async def test_error_of_a_task_is_raised_to_every_caller(
    tasks: SharedTasks[str, str], ended: list[str]
) -> None:
    work = Work()
    work.error = ValueError("broken")
    work.release.set()
    callers = [tasks.run("a", work, wait_seconds=LONG) for _ in range(2)]

    results = await asyncio.gather(*callers, return_exceptions=True)

    assert results == [work.error] * 2
    assert (work.started, ended) == (1, ["a"])


async def test_close_cancels_all_tasks(tasks: SharedTasks[str, str], ended: list[str]) -> None:
    work = Work()
    for key in ("a", "b"):
        await tasks.run(key, work, wait_seconds=0.01)

    await tasks.close()

    assert work.cancelled == 2
    assert sorted(ended) == ["a", "b"]
    assert not tasks.is_running("a")
