"""All backends by name: a new backend is a new line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.interface import Archive, Storage
from storage.open import open_storage

Open = Callable[[], AbstractAsyncContextManager[Storage]]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The URL of a store in a folder that only one test has."""

    url: Callable[[Path], str]
    is_persistent: bool = True  #: whether a reopened store has its messages


BACKENDS = {
    "sqlite": Backend(url=lambda folder: f"sqlite:{folder}/archive.db"),
    "memory": Backend(url=lambda _: "sqlite::memory:", is_persistent=False),
}


@pytest.fixture(params=BACKENDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty store of each backend."""
    async with open_storage(BACKENDS[request.param].url(tmp_path)) as storage:
        yield storage


@pytest.fixture
def archive(storage: Storage) -> Archive:
    """The archive of that store."""
    return storage.archive


@pytest.fixture(params=[name for name, backend in BACKENDS.items() if backend.is_persistent])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Return a function that opens the same store at each call."""
    url = BACKENDS[request.param].url(tmp_path)
    return lambda: open_storage(url)
