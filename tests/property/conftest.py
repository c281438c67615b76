"""A store that is opened once for all examples of a module."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from storage.interface import Archive
from storage.open import open_storage


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples of a module."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def archive(runner: asyncio.Runner) -> Iterator[Archive]:
    """One store for all examples of a module; each example has its own owners."""
    stack = AsyncExitStack()
    storage = runner.run(stack.enter_async_context(open_storage("sqlite::memory:")))
    yield storage.archive
    runner.run(stack.aclose())
