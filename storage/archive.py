"""The archive store: SQL beside its method, in the subset that SQLite and PostgreSQL share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from storage.database import Connection, Database, Row
from storage.errors import NotFound
from storage.ids import Ids
from storage.queries import Where, by_arrival, by_time, count, narrow
from storage.rows import ANY, Direction, Entry, Filter, Page, Removal, Stored

#: Owners that are known from memory; all are forgotten when there are more.
OWNERS_KEPT = 50_000

_INSERT = """
INSERT INTO archive (owner, sequence, at, peer, resource, type, direction, nick, origin, xml)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
"""

_INSERT_UNLESS_TWIN = """
INSERT INTO archive (owner, sequence, at, peer, resource, type, direction, nick, origin, xml)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
WHERE NOT EXISTS (SELECT 1 FROM archive WHERE owner = $1 AND origin IN ($11, $12))
ON CONFLICT DO NOTHING
"""

# What this very batch has added is counted by _COUNT_UP, so only older rows are counted down.
_COUNT_DOWN = """
UPDATE owners SET kept = kept - 1
WHERE number = $1 AND EXISTS (
    SELECT 1 FROM archive WHERE owner = $1 AND origin = $2 AND sequence <= owners.last
)
"""

_COUNT_UP = """
UPDATE owners SET
    kept = kept + (SELECT count(*) FROM archive WHERE owner = $1 AND sequence > owners.last),
    last = $2, newest = $3, skew = $4
WHERE number = $1
"""


_DELETE = "DELETE FROM archive WHERE owner = $1 AND origin = $2"

_EXISTS = "SELECT 1 FROM archive WHERE owner = $1 AND sequence = $2"


@dataclass(slots=True)
class _Counters:
    """What the store knows of an archive without looking into it."""

    number: int
    last: int
    newest: int
    skew: int

    def give(self, at: int) -> int:
        """Return the sequence of one more message, and note how its time fits in."""
        self.last += 1
        self.skew = max(self.skew, self.newest - at)
        self.newest = max(self.newest, at)
        return self.last


class SqlArchive:
    """`storage.interface.Archive` over a Database that only this process writes."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids
        self._owners: dict[str, _Counters] = {}
        self._numbers: dict[str, int] = {}  # of archives that are on disk

    async def append(self, batch: Sequence[Entry | Removal]) -> None:
        """Store a batch in its order and make it durable."""
        try:
            async with self._database.write() as connection:
                owners = {work.owner for work in batch}
                await self._meet(connection, owners)
                for write, run in groupby(batch, key=self._way):
                    await write(connection, list(run))
                counters = [self._owners[owner] for owner in owners]
                await connection.executemany(
                    _COUNT_UP, [(c.number, c.last, c.newest, c.skew) for c in counters]
                )
        except BaseException:
            # The counters have run ahead of what the database kept.
            self._owners.clear()
            raise

    async def page(
        self,
        owner: str,
        wanted: Filter,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        backwards: bool = False,
    ) -> Page:
        """Return up to `limit` messages in arrival order between two ids, both exclusive."""
        async with self._database.read() as connection:
            number = await self._look_up(connection, owner)
            where = Where(number, wanted)
            if after is not None:
                where.add("sequence > {}", await self._sequence(connection, number, after))
            if before is not None:
                where.add("sequence < {}", await self._sequence(connection, number, before))
            await narrow(connection, where, number, wanted)
            rows = await by_arrival(connection, where, backwards=backwards, limit=limit + 1)
        complete = len(rows) <= limit
        del rows[limit:]
        if backwards:
            rows.reverse()
        return Page(messages=self._stored(number, rows), complete=complete)

    async def page_by_time(
        self, owner: str, wanted: Filter, *, limit: int | None, newest: bool = False
    ) -> Page:
        """Return the oldest (or newest) `limit` messages in the order of their time."""
        async with self._database.read() as connection:
            number = await self._look_up(connection, owner)
            where = Where(number, wanted)
            rows = await by_time(connection, where, newest, None if limit is None else limit + 1)
            complete = limit is None or len(rows) <= limit
            if limit and not complete and rows[limit][1] == rows[limit - 1][1]:
                # The page would part messages of one microsecond, and whoever pages by time could
                # never ask for the rest of them.
                edge = rows[limit][1]
                beyond = Where(number, wanted)
                beyond.add("at < {}" if newest else "at > {}", edge)
                complete = not await by_time(connection, beyond, newest, 1)
                where.add("at = {}", edge)
                rows = [row for row in rows if row[1] != edge]
                rows += await by_time(connection, where, newest, None)
            elif limit is not None:
                del rows[limit:]
        if newest:
            rows.reverse()
        return Page(messages=self._stored(number, rows), complete=complete)

    async def count(self, owner: str, wanted: Filter) -> int:
        """Return how many messages match; free of cost when the filter is empty."""
        async with self._database.read() as connection:
            if wanted == ANY:
                rows = await connection.fetch("SELECT kept FROM owners WHERE jid = $1", owner)
                return int(rows[0][0]) if rows else 0
            number = await self._look_up(connection, owner)
            return await count(connection, Where(number, wanted))

    async def _meet(self, connection: Connection, owners: set[str]) -> None:
        """Know the counters of these owners, making archives for the new ones."""
        if len(self._owners) > OWNERS_KEPT:
            self._owners.clear()
        for owner in sorted(owners - self._owners.keys()):
            await connection.execute(
                "INSERT INTO owners (jid) VALUES ($1) ON CONFLICT (jid) DO NOTHING", owner
            )
            rows = await connection.fetch(
                "SELECT number, last, newest, skew FROM owners WHERE jid = $1", owner
            )
            self._owners[owner] = _Counters(*rows[0])

    async def _look_up(self, connection: Connection, owner: str) -> int:
        """Return the number of an archive; no archive has the number 0."""
        # Not from the counters: a number that is not committed yet may still go to another owner.
        number = self._numbers.get(owner, 0)
        if not number:
            rows = await connection.fetch("SELECT number FROM owners WHERE jid = $1", owner)
            if not rows:
                return 0
            if len(self._numbers) > OWNERS_KEPT:
                self._numbers.clear()
            number = self._numbers[owner] = int(rows[0][0])
        return number

    def _way(self, work: Entry | Removal) -> Callable[[Connection, list[Any]], Awaitable[None]]:
        if isinstance(work, Removal):
            return self._remove
        return self._insert_unless_twin if work.twins else self._insert

    async def _insert(self, connection: Connection, entries: list[Entry]) -> None:
        await connection.executemany(_INSERT, [self._values(entry) for entry in entries])

    async def _insert_unless_twin(self, connection: Connection, entries: list[Entry]) -> None:
        await connection.executemany(
            _INSERT_UNLESS_TWIN, [(*self._values(e), *(e.twins or ())) for e in entries]
        )

    async def _remove(self, connection: Connection, removals: list[Removal]) -> None:
        for removal in removals:
            row = (self._owners[removal.owner].number, removal.origin)
            await connection.execute(_COUNT_DOWN, *row)
            await connection.execute(_DELETE, *row)

    def _values(self, entry: Entry) -> tuple[object, ...]:
        counters = self._owners[entry.owner]
        return (
            counters.number,
            counters.give(entry.at),
            entry.at,
            entry.peer,
            entry.resource,
            entry.type,
            entry.direction.value,
            entry.nick,
            entry.origin,
            entry.xml,
        )

    async def _sequence(self, connection: Connection, number: int, id: str) -> int:
        """Return the sequence of a message. Raises NotFound."""
        sequence = self._ids.decode(number, id)
        if sequence is None or not await connection.fetch(_EXISTS, number, sequence):
            raise NotFound(id)
        return sequence

    def _stored(self, number: int, rows: list[Row]) -> tuple[Stored, ...]:
        ids = self._ids.encode(number, [row[0] for row in rows])
        return tuple(
            Stored(
                id=id,
                at=row[1],
                peer=row[2],
                resource=row[3],
                type=row[4],
                direction=Direction(row[5]),
                nick=row[6],
                xml=row[7],
            )
            for id, row in zip(ids, rows, strict=True)
        )
