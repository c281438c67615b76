"""Fixtures with the URLs of empty stores; one PostgreSQL serves all tests of a process."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import asyncpg
import pytest

from storage.open import open_storage
from support.postgres import FAST, Postgres
from support.program import Failed

#: Deletes the rows of all tables but `migrations`. TRUNCATE would take ten times as long for
#: a small table, but deleted rows stay in its pages, and slow down later tests.
_EMPTY = """
DO $$ DECLARE place regclass; BEGIN
    FOR place IN SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'migrations'
    LOOP
        IF pg_relation_size(place) > 65536 THEN EXECUTE format('TRUNCATE %s', place);
        ELSE EXECUTE format('DELETE FROM %s', place); END IF;
    END LOOP;
END $$
"""


class StoreServer:
    """A PostgreSQL with one store, which each test gets empty."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.url = server.create("muniment")
        # One connection empties the store for all tests: a new one costs more than the deletion.
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._runner.run(self._make_tables())

    async def _make_tables(self) -> None:
        async with open_storage(self.url):
            pass

    def empty(self) -> str:
        """Delete all rows, and return the URL of the store."""
        self._runner.run(self._empty())
        return self.url

    async def _empty(self) -> None:
        if self._connection is not None:
            # A test may have restarted the server.
            with suppress(asyncpg.PostgresConnectionError, OSError):
                await self._connection.execute(_EMPTY)
                return
        self._connection = await asyncpg.connect(self.url)
        await self._connection.execute(_EMPTY)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._runner.run(self._connection.close(timeout=1))
        self._runner.close()


@contextmanager
def running_postgres(
    missing: Callable[[object], NoReturn], settings: Mapping[str, str]
) -> Iterator[Postgres]:
    """Run a PostgreSQL in a folder of its own; what is missing for it is told to `missing`."""
    # Not below the folder of pytest, which the user of PostgreSQL cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="muniment-postgres-"))
    folder.chmod(0o711)
    server = Postgres(folder, settings)
    try:
        try:
            server.start()
        except Failed as error:
            missing(error)
        yield server
    finally:
        server.abandon()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(missing: Callable[[object], NoReturn]) -> Iterator[Postgres]:
    """A PostgreSQL for the tests of this process, without durability."""
    with running_postgres(missing, FAST) as server:
        yield server


@pytest.fixture(scope="session")
def store_server(postgres: Postgres) -> Iterator[StoreServer]:
    """A store in that PostgreSQL."""
    store = StoreServer(postgres)
    yield store
    store.close()


@pytest.fixture
def postgres_url(store_server: StoreServer) -> str:
    """The URL of an empty store in PostgreSQL."""
    return store_server.empty()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist."""
    return f"sqlite:{tmp_path}/archive.db"


@pytest.fixture
def memory_url() -> str:
    """The URL of a store in memory."""
    return "sqlite::memory:"
