"""What is known of archives from memory: their numbers, and what a writer counts in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cachetools import LRUCache

from storage.sqlite.engine.protocols import Connection

#: Owners that are known from memory; who was not asked for longest is forgotten first.
CACHED_OWNERS_MAX = 50_000

_NUMBER = "SELECT number FROM owners WHERE jid = $1"


@dataclass(slots=True)
class Counters:
    """What a writer knows of an archive without looking into it."""

    number: int
    last_sequence: int
    latest_at: int

    def next_sequence(self) -> int:
        """Return the sequence of one more message."""
        self.last_sequence += 1
        return self.last_sequence

    def add_time(self, at: int) -> int:
        """Note the time of a message that is in the archive now; return by how much it is late."""
        self.latest_at = max(self.latest_at, at)
        return self.latest_at - at


class Owners:
    """The archives of one database that only this process writes."""

    def __init__(self) -> None:
        self._counters: LRUCache[str, Counters] = LRUCache(CACHED_OWNERS_MAX)
        self._numbers: LRUCache[str, int] = LRUCache(
            CACHED_OWNERS_MAX
        )  # of archives that are on disk
        self._times_forgotten = 0

    async def get_or_create(
        self, connection: Connection, owners: Iterable[str]
    ) -> dict[str, Counters]:
        """Return the counters of these owners, making archives for the new ones.

        They are the caller's until it has written them, whatever is forgotten meanwhile.
        """
        by_owner = {}
        for owner in sorted(set(owners)):
            counters = self._counters.get(owner)
            if counters is None:
                counters = self._counters[owner] = await _counters(connection, owner)
            by_owner[owner] = counters
        return by_owner

    async def find(self, connection: Connection, owner: str) -> int:
        """Return the number of an archive in a transaction that writes; none has the number 0."""
        if owner in self._counters:
            return self._counters[owner].number
        rows = await connection.fetch(_NUMBER, owner)
        return int(rows[0][0]) if rows else 0

    async def look_up(self, connection: Connection, owner: str) -> int:
        """Return the number of an archive on disk; none has the number 0."""
        # Not from the counters: a number that is not committed yet may still go to another owner.
        number = self._numbers.get(owner, 0)
        if not number:
            times_forgotten = self._times_forgotten
            rows = await connection.fetch(_NUMBER, owner)
            if not rows:
                return 0
            number = int(rows[0][0])
            # What was read may be of the moment before the archive was erased.
            if times_forgotten == self._times_forgotten:
                self._numbers[owner] = number
        return number

    def discard_counters(self) -> None:
        """Forget the counters: they have run ahead of what the database kept."""
        self._counters.clear()

    def forget(self, owner: str) -> None:
        """Forget an archive that was erased; call it right behind that transaction."""
        self._times_forgotten += 1
        self._counters.pop(owner, None)
        self._numbers.pop(owner, None)


async def _counters(connection: Connection, owner: str) -> Counters:
    """Return what the database has of an archive, which is made where there is none."""
    await connection.execute(
        "INSERT INTO owners (jid) VALUES ($1) ON CONFLICT (jid) DO NOTHING", owner
    )
    rows = await connection.fetch(
        "SELECT number, last_sequence, latest_at FROM owners WHERE jid = $1", owner
    )
    return Counters(*rows[0])
