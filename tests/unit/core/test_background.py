"""A background task that ends before the program is fatal and is logged."""

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
    ("work", "log_text"), [(fails, "janitor has failed"), (at_once, "janitor has ended by itself")]
)
async def test_task_that_ends_or_fails_ends_the_program(
    caplog: pytest.LogCaptureFixture,
    work: Callable[[], Coroutine[None, None, None]],
    log_text: str,
) -> None:
    background = Background()
    async with background:
        writer = background.start("writer", for_ever())
        background.start("janitor", work())
        await background.ending.wait()
        is_writer_running = not writer.done()
        writer.cancel()

    assert background.failed == ["janitor"]
    assert log_text in caplog.text
    assert is_writer_running, "the writer still writes its queue"


async def test_task_cancelled_by_other_code_ends_the_program(
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


async def test_on_end_is_called_once() -> None:
    calls: list[bool] = []
    background = Background(on_end=lambda: calls.append(True))
    async with background:
        background.start("janitor", at_once())
        await background.ending.wait()
        background.end()

    assert calls == [True]


async def test_task_cancelled_at_the_end_has_not_failed() -> None:
    background = Background()
    async with background:
        tasks = [background.start(str(n), for_ever()) for n in range(2)]
        await asyncio.sleep(0)
        background.end()
        for task in tasks:
            task.cancel()

    assert background.failed == []


async def test_task_that_fails_at_the_end_has_failed() -> None:
    background = Background()
    async with background:
        background.end()
        background.start("writer", fails())

    assert background.failed == ["writer"]


async def test_exception_of_the_caller_is_raised_unchanged() -> None:
    background = Background()

    with pytest.raises(ValueError, match="of the caller"):
        async with background:
            raise ValueError("of the caller")
