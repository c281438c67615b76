"""A store that is opened once for many examples."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from storage.interface import Archive
from storage.open import open_storage


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for the examples of a module."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def archive(runner: asyncio.Runner) -> Iterator[Archive]:
    """One store for the examples of a module; each of them has owners of its own."""
    stack = AsyncExitStack()
    storage = runner.run(stack.enter_async_context(open_storage("sqlite::memory:")))
    yield storage.archive
    runner.run(stack.aclose())
