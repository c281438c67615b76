"""The store and the writer that most parts need."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.writer import open_writer

from component.core.archiving.writer import Writer
from storage.open import open_storage
from storage.sql.store import SqlStorage


@pytest.fixture
async def storage() -> AsyncIterator[SqlStorage]:
    """An empty store in memory."""
    async with open_storage("sqlite::memory:") as opened:
        yield opened


@pytest.fixture
async def writer(storage: SqlStorage) -> AsyncIterator[Writer]:
    """The writer of that store, running."""
    async with open_writer(storage.archive) as running:
        yield running
