"""The store that takes messages away again: SQL beside its method, as in `records`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from storage.errors import NotFound
from storage.interface import Totals
from storage.rows import Cutoff, OverLimit, Removed, Usage
from storage.sqlite.engine.protocols import Connection, Database, Row
from storage.sqlite.messages.counters import CounterDelta
from storage.sqlite.messages.ids import Ids
from storage.sqlite.retention import over_limit, scrub
from storage.sqlite.retention.delete import LINE, blank, delete

_USAGE = """
SELECT
    jid, kept, bytes,
    (SELECT min(at) FROM archive WHERE owner = number),
    (SELECT max(at) FROM archive WHERE owner = number)
FROM owners
"""

_USAGE_AFTER = f"{_USAGE} WHERE kept > 0 AND jid > $1 ORDER BY jid LIMIT $2"

_USAGE_OF_DOMAIN = rf"""
{_USAGE} WHERE kept > 0 AND jid > $1 AND (jid = $3 OR jid LIKE '%@' || $4 ESCAPE '\')
ORDER BY jid LIMIT $2
"""

_USAGE_OF = f"{_USAGE} WHERE jid = $1"

_TOTALS = """
SELECT count(*), coalesce(sum(kept), 0), coalesce(sum(bytes), 0) FROM owners WHERE kept > 0
"""

_OWNER = "SELECT number, kept, bytes FROM owners WHERE jid = $1"

_OLDEST = f"""
SELECT {LINE}, at FROM archive WHERE owner = $1 ORDER BY sequence LIMIT $2
"""  # noqa: S608 - constant words

_BEHIND = f"""
SELECT {LINE}, at FROM archive WHERE owner = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""  # noqa: S608 - constant words

_ONE = f"""
SELECT {LINE}, kind FROM archive WHERE owner = $1 AND sequence = $2
"""  # noqa: S608 - constant words

_NUMBERED = (
    "DELETE FROM tallies WHERE owner = $1",
    "DELETE FROM conversations WHERE owner = $1",
    "DELETE FROM unfinished_retractions WHERE owner = $1",
    "DELETE FROM owners WHERE number = $1",
)

_NAMED = (
    "DELETE FROM offline WHERE owner = $1",
    "DELETE FROM preferences WHERE owner = $1",
    "DELETE FROM rules WHERE owner = $1",
    "DELETE FROM occupants WHERE room = $1",
    "DELETE FROM occupants WHERE jid = $1",
    "DELETE FROM rooms WHERE jid = $1",
)


class SqliteRetention:
    """`storage.interface.Retention` over a Database that only this process writes."""

    def __init__(self, database: Database, ids: Ids, forget: Callable[[str], None]) -> None:
        """`forget` hears of each owner whose archive is no more."""
        self._database = database
        self._ids = ids
        self._forget = forget
        self._cleaned: bytes | None = None  #: what stands for what was removed before

    async def usage(
        self, *, domain: str | None = None, after: str = "", limit: int = 100
    ) -> tuple[Usage, ...]:
        """Return what archives take up, by owner in the order of their JIDs, behind `after`.

        An archive without a message is none.
        """
        async with self._database.read() as connection:
            if domain is None:
                rows = await connection.fetch(_USAGE_AFTER, after, limit)
            else:
                rows = await connection.fetch(
                    _USAGE_OF_DOMAIN, after, limit, domain, _literally(domain)
                )
        return tuple(map(_usage, rows))

    async def usage_of(self, owner: str) -> Usage:
        """Return what one archive takes up; nothing where there is none."""
        async with self._database.read() as connection:
            rows = await connection.fetch(_USAGE_OF, owner)
        return _usage(rows[0]) if rows else _usage((owner, 0, 0, None, None))

    async def totals(self) -> Totals:
        """Return what all archives take up together."""
        async with self._database.read() as connection:
            [[archives, messages, octets]] = await connection.fetch(_TOTALS)
        return Totals(archives=archives, messages=messages, bytes=octets)

    async def delete_oldest(self, owner: str, limits: Cutoff, *, limit: int) -> Removed:
        """Take away up to `limit` of the oldest messages, until the archive is within limits."""
        # To write has to wait for others, and for the disk, so first it is looked whether to.
        async with self._database.read() as connection:
            if not await _to_shed(connection, owner, limits, 1):
                return Removed()
        async with self._database.write() as connection:
            going = await _to_shed(connection, owner, limits, limit + 1)
            taken = await delete(connection, await _number(connection, owner), going[:limit])
        return replace(taken, done=len(going) <= limit)

    async def blank_oldest(self, owner: str, peer: str, limits: Cutoff, *, limit: int) -> Removed:
        """Empty up to `limit` of the oldest messages with one peer, until within limits."""
        async with self._database.read() as connection:
            number = await _number(connection, owner)
            if not await over_limit.with_peer(connection, number, peer, limits, 1):
                return Removed()
        async with self._database.write() as connection:
            number = await _number(connection, owner)
            going = await over_limit.with_peer(connection, number, peer, limits, limit + 1)
            taken = await blank(connection, number, going[:limit])
        return replace(taken, done=len(going) <= limit)

    async def over_limit(
        self, owner: str, limits: Cutoff, *, peer: str | None = None
    ) -> OverLimit:
        """Return what `delete_oldest`, or with a peer `blank_oldest`, would remove in all."""
        if peer is not None:
            async with self._database.read() as connection:
                number = await _number(connection, owner)
                return await over_limit.beyond(connection, number, peer, limits)
        found, place = OverLimit(), 0
        async with self._database.read() as connection:
            rows = await connection.fetch(_OWNER, owner)
        number, kept, octets = rows[0] if rows else (0, 0, 0)
        while True:
            async with self._database.read() as connection:
                oldest = await connection.fetch(_BEHIND, number, place, over_limit.STRETCH)
            going = list(_beyond(limits, kept, octets, oldest))
            times = [row[5] for row in going]
            found = found.plus(
                OverLimit(
                    messages=len(going),
                    oldest=min(times, default=None),
                    newest=max(times, default=None),
                )
            )
            if len(going) < over_limit.STRETCH:
                return found
            kept, octets = kept - len(going), octets - sum(row[4] for row in going)
            place = going[-1][1]

    async def blank(self, owner: str, id: str) -> Removed:
        """Empty one message. Raises NotFound."""
        async with self._database.write() as connection:
            number = await _number(connection, owner)
            rows = await connection.fetch(_ONE, number, self._ids.decode(number, id) or 0)
            if not rows:
                raise NotFound(id)
            return await blank(
                connection, number, [CounterDelta(*row[:5]) for row in rows if row[5] != "gone"]
            )

    async def erase(self, owner: str, *, limit: int) -> Removed:
        """Take away up to `limit` messages; with the last all else that names the owner."""
        taken = Removed(done=False)
        try:
            async with self._database.write() as connection:
                taken = await self._erase(connection, owner, limit)
            return taken
        finally:
            # Also where the commit was broken off: nobody knows whether it was made.
            if taken.done:
                self._forget(owner)

    async def scrub_index(self) -> None:
        """Leave no trace of what was taken away in the index of words or in the journal."""
        latest = await self._trash()
        if latest in (None, self._cleaned):
            return
        await scrub.merge_words(self._database)
        await self._database.cut_journal()
        self._cleaned = latest

    async def scrub_files(self) -> None:
        """Leave no trace of what was taken away in unused parts of the files either.

        Overwriting what is removed is not enough: a row that once was moved from page to page may
        be left in what is free of the old one.
        """
        latest = await self._trash()
        if latest is None:
            return
        await self._database.rewrite()
        async with self._database.write() as connection:
            await scrub.emptied(connection, latest)

    async def _trash(self) -> bytes | None:
        async with self._database.read() as connection:
            return await scrub.seen(connection)

    async def _erase(self, connection: Connection, owner: str, limit: int) -> Removed:
        number = await _number(connection, owner)
        oldest = await connection.fetch(_OLDEST, number, limit)
        taken = await delete(connection, number, [CounterDelta(*row[:5]) for row in oldest])
        if len(oldest) == limit:
            return replace(taken, done=False)
        before = await scrub.changes(connection)
        for sql in _NUMBERED:
            await connection.execute(sql, number)
        for sql in _NAMED:
            await connection.execute(sql, owner)
        # Where nobody was known there is nothing to write all anew for.
        if await scrub.changes(connection) > before:
            await scrub.note(connection)
        return taken


async def _number(connection: Connection, owner: str) -> int:
    """Return the number of an archive; none has the number 0."""
    rows = await connection.fetch(_OWNER, owner)
    return int(rows[0][0]) if rows else 0


async def _to_shed(
    connection: Connection, owner: str, limits: Cutoff, limit: int
) -> list[CounterDelta]:
    """Return the oldest messages that are to go, as many as `limit`."""
    rows = await connection.fetch(_OWNER, owner)
    if not rows:
        return []
    number, kept, octets = rows[0]
    oldest = await connection.fetch(_OLDEST, number, limit)
    return [CounterDelta(*row[:5]) for row in _beyond(limits, kept, octets, oldest)]


def _beyond(limits: Cutoff, kept: int, octets: int, oldest: Iterable[Row]) -> Iterator[Row]:
    """Return the rows that go, ending at the first that may stay."""
    for row in oldest:
        is_late = limits.since is not None and row[5] < limits.since
        is_one_too_many = limits.messages is not None and kept > limits.messages
        is_too_much = limits.bytes is not None and octets > limits.bytes
        if not (is_late or is_one_too_many or is_too_much):
            return
        yield row
        kept -= 1
        octets -= row[4]


def _literally(text: str) -> str:
    """Return a text for LIKE that means nothing but itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _usage(row: Row) -> Usage:
    owner, messages, octets, oldest, newest = row
    return Usage(owner=owner, messages=messages, bytes=octets, oldest=oldest, newest=newest)
