"""A task that ends before the program does is fatal, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from component.core.background import Background


async def for_ever() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    return


async def fails() -> None:
    raise RuntimeError("no room left")


@pytest.mark.parametrize(
    ("work", "said"), [(fails, "janitor has failed"), (at_once, "janitor has ended by itself")]
)
async def test_a_task_that_ends_by_itself_ends_the_program(
    caplog: pytest.LogCaptureFixture, work: Callable[[], Coroutine[None, None, None]], said: str
) -> None:
    background = Background()
    async with background:
        other = background.start("writer", for_ever())
        background.start("janitor", work())
        await background.ending.wait()
        is_other_at_work = not other.done()
        other.cancel()

    assert background.failed == ["janitor"]
    assert said in caplog.text
    assert is_other_at_work, "it drains what can be drained"


async def test_a_task_that_is_cancelled_from_elsewhere_ends_the_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background = Background()
    async with background:
        task = background.start("writer", for_ever())
        await asyncio.sleep(0)
        task.cancel()
        await background.ending.wait()

    assert background.failed == ["writer"]
    assert "writer was cancelled" in caplog.text


async def test_it_is_told_once_that_the_program_has_to_end() -> None:
    told: list[bool] = []
    background = Background(on_end=lambda: told.append(True))
    async with background:
        background.start("janitor", at_once())
        await background.ending.wait()
        background.end()

    assert told == [True]


async def test_tasks_that_end_with_the_program_are_no_failure() -> None:
    background = Background()
    async with background:
        tasks = [background.start(str(n), for_ever()) for n in range(2)]
        await asyncio.sleep(0)
        background.end()
        for task in tasks:
            task.cancel()

    assert background.failed == []


async def test_one_that_fails_at_the_end_is_a_failure_too() -> None:
    background = Background()
    async with background:
        background.end()
        background.start("writer", fails())

    assert background.failed == ["writer"]


async def test_what_fails_beside_the_tasks_is_raised_as_it_is() -> None:
    background = Background()

    with pytest.raises(ValueError, match="of the caller"):
        async with background:
            raise ValueError("of the caller")
