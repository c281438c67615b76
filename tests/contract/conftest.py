"""Every backend by name. One more backend is one more line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.probe import Probe
from support.sqlite_probe import SqliteProbe

from storage.interface import Archive, Storage
from storage.open import open_storage

Open = Callable[[], AbstractAsyncContextManager[Storage]]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """How the store of one test is opened, given a folder that only this test has."""

    url: Callable[[Path], str]
    is_lasting: bool = True  #: what was stored is there when it is opened again


BACKENDS = {
    "sqlite": Backend(url=lambda folder: f"sqlite:{folder}/archive.db"),
    "memory": Backend(url=lambda _: "sqlite::memory:", is_lasting=False),
}


@pytest.fixture(params=BACKENDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty store of each backend in turn."""
    async with open_storage(BACKENDS[request.param].url(tmp_path)) as storage:
        yield storage


def probe_of(storage: Storage) -> Probe:
    """Return the probe of a store; a backend of another class has a probe of its own."""
    return SqliteProbe(storage)


@pytest.fixture
def archive(storage: Storage) -> Archive:
    """Its archive."""
    return storage.archive


@pytest.fixture(params=[name for name, backend in BACKENDS.items() if backend.is_lasting])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Open the same store, again and again."""
    url = BACKENDS[request.param].url(tmp_path)
    return lambda: open_storage(url)
