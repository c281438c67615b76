"""How hard the properties are tried, and a store that is opened once for many examples."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import settings

from storage.interface import Archive
from storage.open import open_storage

settings.register_profile("default", deadline=None)
settings.register_profile("big", deadline=None, max_examples=5000)
# The whole suite says the same of the same code, whenever it is run.
settings.register_profile("whole", deadline=None, derandomize=True)
_default = "whole" if os.environ.get("REQUIRE_ALL") else "default"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _default))


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
