"""The probes of a store in SQL, and of one in SQLite."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from storage.interface import Storage
from storage.rows import Occupant
from storage.sql.database import Row
from storage.sql.retention import scrub
from storage.sql.store import SqlStorage

Counts = dict[tuple[Any, ...], int]

_ROWS = """
SELECT owner, sequence, peer, type, octet_length(xml), kind <> 'blanked' FROM archive
"""


@dataclass(frozen=True, kw_only=True)
class Indexes:
    """The rows of all tables that follow from the rows of archives."""

    owners: dict[int, tuple[int, int]]  #: messages and bytes by number
    counters: Counts
    newest: Counts  #: the newest sequence of each conversation
    fulltext: set[tuple[int, int]]  #: rows that are found by a word or a name


class SqlProbe:
    """The part of `support.probe.Probe` that is the same for all engines."""

    def __init__(self, storage: Storage) -> None:
        assert isinstance(storage, SqlStorage)
        self.database: Any = storage.database

    async def fetch(self, sql: str) -> list[Row]:
        async with self.database.read() as connection:
            rows: list[Row] = await connection.fetch(sql)
            return rows

    @abstractmethod
    async def indexed(self) -> list[Row]:
        """Return the owners and sequences of the rows that the index finds."""

    async def indexes(self) -> Indexes:
        owners = await self.fetch("SELECT number, messages, bytes FROM owners")
        counters = await self.fetch(
            "SELECT owner, series, bucket_size, bucket, messages FROM counters"
        )
        newest = await self.fetch("SELECT owner, peer, newest FROM conversations")
        return Indexes(
            owners={number: (messages, octets) for number, messages, octets in owners},
            counters={tuple(bucket): messages for *bucket, messages in counters},
            newest={(owner, peer): sequence for owner, peer, sequence in newest},
            fulltext={(owner, sequence) for owner, sequence in await self.indexed()},
        )

    async def recomputed_indexes(self) -> Indexes:
        rows = await self.fetch(_ROWS)
        owners = {row[0]: (0, 0) for row in await self.fetch("SELECT number FROM owners")}
        counters: Counter[tuple[Any, ...]] = Counter()
        newest: Counts = {}
        for owner, sequence, peer, type, octets, _ in rows:
            owners[owner] = (owners[owner][0] + 1, owners[owner][1] + octets)
            for series, size in product(("/" if type == "groupchat" else "", peer), (512, 32_768)):
                counters[owner, series, size, sequence // size] += 1
            newest[owner, peer] = max(sequence, newest.get((owner, peer), 0))
        return Indexes(
            owners=owners,
            counters=dict(counters),
            newest=newest,
            fulltext={(row[0], row[1]) for row in rows if row[5]},
        )

    async def has_traces(self) -> bool:
        async with self.database.read() as connection:
            return await scrub.latest_removal(connection) is not None

    async def occupants(self) -> tuple[Occupant, ...]:
        rows = await self.fetch("SELECT room, jid, affiliation FROM occupants ORDER BY room, jid")
        return tuple(Occupant(room=row[0], jid=row[1], affiliation=row[2]) for row in rows)

    async def rooms_created(self) -> dict[str, int]:
        rows = await self.fetch("SELECT jid, created_at FROM rooms WHERE created_at > 0")
        return {row[0]: row[1] for row in rows}

    @asynccontextmanager
    async def blocked(self) -> AsyncIterator[None]:
        async with self.database.write():
            yield

    async def execute(self, sql: str) -> None:
        """Run a statement that the interface has no method for."""
        async with self.database.write() as connection:
            await connection.execute(sql)


class SqliteProbe(SqlProbe):
    """`support.probe.Probe`."""

    async def indexed(self) -> list[Row]:
        return await self.fetch("SELECT rowid >> 40, rowid & 1099511627775 FROM fulltext")

    async def dangling_links(self) -> int:
        rows = await self.fetch(
            "SELECT count(*) FROM fulltext LEFT JOIN archive"
            " ON owner = fulltext.rowid >> 40 AND sequence = fulltext.rowid & 1099511627775"
            " WHERE links <> '' AND (kind IS NULL OR kind = 'blanked')"
        )
        return int(rows[0][0])

    async def set_read_only(self, value: bool) -> None:
        # Outside of a transaction, which a read-only connection cannot begin.
        await self.database._writer.execute(f"PRAGMA query_only = {'ON' if value else 'OFF'}")
