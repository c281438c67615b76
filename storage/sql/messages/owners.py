"""Caches the number of each archive, and the counters that the writer needs."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from cachetools import LRUCache

from storage.sql.database import Connection

#: Maximum number of owners in each cache; the least recently used owner is evicted first.
CACHED_OWNERS_MAX = 50_000

_NUMBER = "SELECT number FROM owners WHERE jid = $1"

_CREATE = "INSERT INTO owners (jid) VALUES ($1) ON CONFLICT (jid) DO NOTHING"

# The order prevents that two transactions wait for each other.
_COUNTERS = """
SELECT jid, number, last_sequence, latest_at, reserved_at FROM owners
WHERE jid = ANY($1) ORDER BY jid FOR UPDATE
"""


@dataclass(slots=True)
class Counters:
    """The number of an archive, its last sequence, and the latest time of its messages."""

    number: int
    last_sequence: int
    latest_at: int
    reserved_at: int  #: end of the latest gap for which sequences are reserved

    def next_sequence(self) -> int:
        """Return the sequence of the next message."""
        self.last_sequence += 1
        return self.last_sequence

    def add_time(self, at: int) -> int:
        """Add the time of an appended message; return its lateness in microseconds."""
        self.latest_at = max(self.latest_at, at)
        return self.latest_at - at


class Owners:
    """The archives of one database."""

    def __init__(
        self,
        cached_max: int = CACHED_OWNERS_MAX,
        *,
        is_only_writer: bool = True,
        is_shared: bool = False,
    ) -> None:
        """`cached_max` is the maximum number of owners in each cache.

        Counters are read anew in each transaction unless this process is the only writer. If other
        processes may erase archives (`is_shared`), numbers are not cached either.
        """
        self._is_only_writer = is_only_writer
        self.is_shared = is_shared
        self._counters: LRUCache[str, Counters] = LRUCache(cached_max)
        self._numbers: LRUCache[str, int] = LRUCache(cached_max)  # of archives that are on disk
        self._erasures = 0
        #: for all of these: jobs run in threads of their own
        self._lock = threading.Lock()

    async def get_or_create(
        self, connection: Connection, owners: Iterable[str]
    ) -> dict[str, Counters]:
        """Return the counters of these owners; create the archives that do not exist.

        The caller changes the counters, and writes them in the same transaction.
        """
        by_owner, unknown = {}, []
        for owner in sorted(set(owners)):
            with self._lock:
                counters = self._counters.get(owner)
            if counters is None:
                unknown.append(owner)
            else:
                by_owner[owner] = counters
        if unknown:
            read = await _counters(connection, unknown)
            if self._is_only_writer:
                with self._lock:
                    self._counters.update(read)
            by_owner.update(read)
        return by_owner

    async def find(self, connection: Connection, owner: str) -> int:
        """Return the number of an archive, in a writing transaction; 0 if it does not exist."""
        with self._lock:
            counters = self._counters.get(owner)
        if counters is not None:
            return counters.number
        rows = await connection.fetch(_NUMBER, owner)
        return int(rows[0][0]) if rows else 0

    async def look_up(self, connection: Connection, owner: str) -> int:
        """Return the number of a committed archive; 0 if it does not exist."""
        # Not from the counters: after a rollback another owner may get an uncommitted number.
        with self._lock:
            number, erasures = self._numbers.get(owner, 0), self._erasures
        if not number:
            rows = await connection.fetch(_NUMBER, owner)
            if not rows:
                return 0
            number = int(rows[0][0])
            with self._lock:
                # The row may have been read before the archive was erased.
                if erasures == self._erasures and not self.is_shared:
                    self._numbers[owner] = number
        return number

    def discard_counters(self) -> None:
        """Discard all counters after a rollback, because they include changes that it undid."""
        with self._lock:
            self._counters.clear()

    def last_sequence(self, owner: str) -> tuple[int, int] | None:
        """Return the number and the last sequence of an archive, None if they are not cached.

        The archive is committed. The sequence may be of a row that is not committed yet; no
        committed row is behind it.
        """
        with self._lock:
            counters, number = self._counters.get(owner), self._numbers.get(owner)
        if counters is None or counters.number != number:
            return None
        return number, counters.last_sequence

    def forget(self, owner: str) -> None:
        """Remove an erased archive from the caches; call this directly after its transaction."""
        with self._lock:
            self._erasures += 1
            self._counters.pop(owner, None)
            self._numbers.pop(owner, None)


async def _counters(connection: Connection, owners: list[str]) -> dict[str, Counters]:
    """Return the counters of sorted archives; create the archives that do not exist."""
    rows = await connection.fetch(_COUNTERS, owners)
    existing = {row[0] for row in rows}
    if new := [owner for owner in owners if owner not in existing]:
        await connection.executemany(_CREATE, [(owner,) for owner in new])
        rows += await connection.fetch(_COUNTERS, new)
    return {row[0]: Counters(*row[1:]) for row in rows}
