"""All backends by name: a new backend is a new line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from storage.interface import Archive, Storage
from storage.open import open_storage

Open = Callable[[], AbstractAsyncContextManager[Storage]]

#: The fixture with the URL of an empty store, by the name of the backend.
BACKENDS = {"sqlite": "sqlite_url", "memory": "memory_url", "postgres": "postgres_url"}

#: Backends whose store has its messages when it is opened again.
PERSISTENT = [name for name in BACKENDS if name != "memory"]


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store of each backend."""
    return str(request.getfixturevalue(BACKENDS[request.param]))


@pytest.fixture
async def storage(store_url: str) -> AsyncIterator[Storage]:
    """An empty store of each backend."""
    async with open_storage(store_url, synchronous="off") as storage:
        yield storage


@pytest.fixture
def archive(storage: Storage) -> Archive:
    """The archive of that store."""
    return storage.archive


@pytest.fixture(params=PERSISTENT)
def reopen(request: pytest.FixtureRequest) -> Open:
    """Return a function that opens the same store at each call."""
    url = request.getfixturevalue(BACKENDS[request.param])
    return lambda: open_storage(url, synchronous="off")
