"""The probe of a store: the only way of a test to its rows, beside the interface of the store."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from storage.interface import Storage
from storage.rows import Occupant
from storage.sql.store import SqlStorage
from support.postgres_probe import PostgresProbe
from support.sqlite_probe import SqliteProbe


class Probe(Protocol):
    """Reads the rows of a store that the interface does not show. Each backend implements it."""

    async def indexes(self) -> Any:
        """Return the rows that the store keeps beside messages to count and to find them."""
        ...

    async def recomputed_indexes(self) -> Any:
        """Return the same as `indexes`, computed from messages that all have a text or a name."""
        ...

    async def dangling_links(self) -> int:
        """Return the number of links that belong to deleted or blanked messages."""
        ...

    async def has_traces(self) -> bool:
        """Return whether the files may still hold removed content."""
        ...

    async def occupants(self) -> tuple[Occupant, ...]:
        """Return the affiliations of all users in all rooms, ordered by room and user."""
        ...

    async def rooms_created(self) -> dict[str, int]:
        """Return the stored times of creation of rooms, in microseconds."""
        ...

    def blocked(self) -> AbstractAsyncContextManager[None]:
        """Let every write wait until the end of the block."""
        ...

    async def set_read_only(self, value: bool) -> None:
        """Let every write fail from now on, or succeed again."""
        ...


async def assert_indexes_match(storage: Storage) -> None:
    """Fail unless the indexes of a store match its messages, all of which are indexed."""
    probe = probe_of(storage)
    assert await probe.indexes() == await probe.recomputed_indexes()


def probe_of(storage: Storage) -> Probe:
    """Return the probe of a store; a backend of another class has a probe of its own."""
    assert isinstance(storage, SqlStorage)
    probes = {"sqlite": SqliteProbe, "postgres": PostgresProbe}
    return probes[storage.database.name](storage)
