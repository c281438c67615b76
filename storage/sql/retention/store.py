"""Measures archives, and deletes and blanks their messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from storage.errors import Held, NotFound
from storage.processes import Topic
from storage.rows import Cutoff, OverLimit, Removed, Space, Totals, Usage, UsageOrder
from storage.sql.database import Connection, Database, Row
from storage.sql.messages.archive import SqlArchive
from storage.sql.messages.counter_updates import CounterDelta
from storage.sql.messages.ids import Ids
from storage.sql.messages.selection import find_sequences
from storage.sql.retention import erasures, over_limit, scrub
from storage.sql.retention.delete import DELTA_COLUMNS, blank, delete
from storage.sql.tables import personal_data
from storage.sql.tables.holds import is_held

_USAGE = """
SELECT
    jid, messages, bytes,
    (SELECT min(at) FROM archive WHERE owner = number),
    (SELECT max(at) FROM archive WHERE owner = number)
FROM owners
"""

_USAGE_AFTER = f"{_USAGE} WHERE messages > 0 AND jid > $1 ORDER BY jid LIMIT $2"

_USAGE_OF_DOMAIN = rf"""
{_USAGE} WHERE messages > 0 AND jid > $1 AND (jid = $3 OR jid LIKE '%@' || $4 ESCAPE '\')
ORDER BY jid LIMIT $2
"""

# The ends of the listed archives alone are looked up.
_RANKED = r"""
WITH listed AS MATERIALIZED (
    SELECT number, jid, messages, bytes, {column} AS place FROM owners
    WHERE messages > 0 AND strpos(jid, $1) > 0 AND ({after})
    ORDER BY {column} {direction}, jid {direction} LIMIT $2
)
SELECT
    jid, messages, bytes,
    (SELECT min(at) FROM archive WHERE owner = number),
    (SELECT max(at) FROM archive WHERE owner = number)
FROM listed ORDER BY place {direction}, jid {direction}
"""

#: The column and the direction of each order of archives.
_ORDERS = {
    UsageOrder.OWNER: ("jid", "ASC"),
    UsageOrder.ACTIVITY: ("latest_at", "DESC"),
    UsageOrder.MESSAGES: ("messages", "DESC"),
    UsageOrder.SIZE: ("bytes", "DESC"),
}

_USAGE_OF = f"{_USAGE} WHERE jid = $1"

_TOTALS = """
SELECT count(*), CAST(coalesce(sum(messages), 0) AS bigint),
    CAST(coalesce(sum(bytes), 0) AS bigint)
FROM owners WHERE messages > 0
"""

_OWNER = "SELECT number, messages, bytes FROM owners WHERE jid = $1"

_OLDEST = f"""
SELECT {DELTA_COLUMNS}, at FROM archive WHERE owner = $1 ORDER BY sequence LIMIT $2
"""  # noqa: S608 - constant words

_AFTER = f"""
SELECT {DELTA_COLUMNS}, at FROM archive
WHERE owner = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""  # noqa: S608 - constant words

_ONE = f"""
SELECT {DELTA_COLUMNS}, kind FROM archive WHERE owner = $1 AND sequence = $2
"""  # noqa: S608 - constant words


class SqlRetention:
    """`storage.interface.Retention`, over a database that only this process writes."""

    def __init__(
        self,
        database: Database,
        ids: Ids,
        archive: SqlArchive,
        *,
        chunk: int = over_limit.CHUNK,
    ) -> None:
        """`archive` forgets erased archives, and has the journal of blanked messages.

        `chunk` is the number of rows that one query reads to find the messages over a limit.
        """
        self._database = database
        self._chunk = chunk
        self._ids = ids
        self._archive = archive
        self._last_scrubbed: bytes | None = None  #: token of the latest removal that was scrubbed

    async def usage(
        self, *, domain: str | None = None, after: str = "", limit: int = 100
    ) -> tuple[Usage, ...]:
        async with self._database.read() as connection:
            if domain is None:
                rows = await connection.fetch(_USAGE_AFTER, after, limit)
            else:
                rows = await connection.fetch(
                    _USAGE_OF_DOMAIN, after, limit, domain, _escape_like(domain)
                )
        return tuple(map(_usage, rows))

    async def ranked_usage(
        self, order: UsageOrder, *, part: str = "", after: str | None = None, limit: int = 100
    ) -> tuple[Usage, ...]:
        sql, values = _ranked_sql(order, is_first=after is None), [part, limit]
        async with self._database.read() as connection:
            rows = await connection.fetch(sql, *values, *([] if after is None else [after]))
        return tuple(map(_usage, rows))

    async def usage_of(self, owner: str) -> Usage:
        async with self._database.read() as connection:
            rows = await connection.fetch(_USAGE_OF, owner)
        return _usage(rows[0]) if rows else _usage((owner, 0, 0, None, None))

    async def totals(self) -> Totals:
        async with self._database.read() as connection:
            [[archives, messages, octets]] = await connection.fetch(_TOTALS)
        return Totals(archives=archives, messages=messages, bytes=octets)

    async def delete_oldest(self, owner: str, cutoff: Cutoff, *, limit: int) -> Removed:
        # A write waits for other writes and for the disk, so a read first checks whether it is
        # needed.
        async with self._database.read() as connection:
            if not await _oldest_over_limit(connection, owner, cutoff, 1):
                return Removed()
        async with self._database.write() as connection:
            if await is_held(connection, owner):
                return Removed()
            rows = await _oldest_over_limit(connection, owner, cutoff, limit + 1)
            removed = await delete(connection, await _number(connection, owner), rows[:limit])
        return replace(removed, done=len(rows) <= limit)

    async def blank_oldest(self, owner: str, peer: str, cutoff: Cutoff, *, limit: int) -> Removed:
        async with self._database.read() as connection:
            number = await _number(connection, owner)
            if not await over_limit.oldest_over_limit(
                connection, number, peer, cutoff, 1, chunk=self._chunk
            ):
                return Removed()
        async with self._database.write() as connection:
            if await is_held(connection, owner):
                return Removed()
            number = await _number(connection, owner)
            rows = await over_limit.oldest_over_limit(
                connection, number, peer, cutoff, limit + 1, chunk=self._chunk
            )
            removed = await blank(connection, number, rows[:limit])
        return replace(removed, done=len(rows) <= limit)

    async def over_limit(
        self, owner: str, cutoff: Cutoff, *, peer: str | None = None
    ) -> OverLimit:
        if peer is not None:
            async with self._database.read() as connection:
                number = await _number(connection, owner)
                return await over_limit.count_over_limit(
                    connection, number, peer, cutoff, chunk=self._chunk
                )
        total, place = OverLimit(), 0
        async with self._database.read() as connection:
            rows = await connection.fetch(_OWNER, owner)
        number, messages, octets = rows[0] if rows else (0, 0, 0)
        while True:
            async with self._database.read() as connection:
                oldest = await connection.fetch(_AFTER, number, place, self._chunk)
            rows = list(_over_limit(cutoff, messages, octets, oldest))
            times = [row[5] for row in rows]
            total = total.plus(
                OverLimit(
                    messages=len(rows),
                    oldest=min(times, default=None),
                    newest=max(times, default=None),
                )
            )
            if len(rows) < self._chunk:
                return total
            messages, octets = messages - len(rows), octets - sum(row[4] for row in rows)
            place = rows[-1][1]

    async def blank(self, owner: str, id: str) -> Removed:
        try:
            async with self._database.write() as connection:
                return await self._blank(connection, owner, id)
        except BaseException:
            self._archive.owners.discard_counters()
            raise

    async def _blank(self, connection: Connection, owner: str, id: str) -> Removed:
        if await is_held(connection, owner):
            raise Held
        number = await _number(connection, owner)
        places = await find_sequences(connection, self._ids, number, [id])
        rows = await connection.fetch(_ONE, number, places.get(id, 0))
        if not rows:
            raise NotFound(id)
        deltas = [CounterDelta(*row[:5]) for row in rows if row[5] != "blanked"]
        for delta in deltas:
            made_id = self._ids.encode(number, [places[id]])[0]
            await self._archive.journal.note_changed(connection, owner, delta.peer, made_id)
        await connection.notify(Topic.EVENTS, [owner])
        return await blank(connection, number, deltas)

    async def erase(self, owner: str, *, limit: int) -> Removed:
        removed = Removed(done=False)
        try:
            async with self._database.write() as connection:
                removed = await self._erase(connection, owner, limit)
            return removed
        finally:
            # Also after a cancelled commit, because it may have succeeded.
            if removed.done:
                self._archive.forget(owner)

    async def scrub_index(self) -> None:
        latest = await self._unscrubbed()
        if latest in (None, self._last_scrubbed):
            return
        await self._database.scrub_index()
        self._last_scrubbed = latest

    async def scrub_files(self) -> bool:
        # Overwriting removed rows is not enough: a copy of a row may remain in the free space of a
        # page from which the database has moved it.
        latest = await self._unscrubbed()
        if latest is None and not await self._is_stuck():
            return False
        await self._database.rewrite()
        if latest is not None:
            async with self._database.write() as connection:
                await scrub.note_scrubbed(connection, latest)
        return True

    async def space(self) -> Space:
        return await self._database.space()

    async def release(self) -> bool:
        return await self._database.release()

    async def _is_stuck(self) -> bool:
        """Return whether there is unused space that only a rewrite gives back."""
        space = await self._database.space()
        return not space.has_steps and bool(space.free)

    async def _unscrubbed(self) -> bytes | None:
        async with self._database.read() as connection:
            return await scrub.latest_removal(connection)

    async def _erase(self, connection: Connection, owner: str, limit: int) -> Removed:
        if await is_held(connection, owner):
            raise Held
        number = await _number(connection, owner)
        oldest = await connection.fetch(_OLDEST, number, limit)
        removed = await delete(connection, number, [CounterDelta(*row[:5]) for row in oldest])
        if len(oldest) == limit:
            return replace(removed, done=False)
        deleted = 0
        for sql in personal_data.ERASING:
            deleted += await connection.change(sql, owner)
        # If no row was deleted, the files need not be rewritten.
        if deleted:
            await scrub.note(connection)
        if self._archive.appending.reservations.is_on:
            await erasures.note_for_gaps(connection, self._ids.digest(owner))
        if self._archive.owners.is_shared:
            await erasures.note(connection, owner)
            await connection.notify(Topic.ERASED, [owner])
        return removed


async def _number(connection: Connection, owner: str) -> int:
    """Return the number of an archive, 0 if it does not exist."""
    rows = await connection.fetch(_OWNER, owner)
    return int(rows[0][0]) if rows else 0


async def _oldest_over_limit(
    connection: Connection, owner: str, cutoff: Cutoff, limit: int
) -> list[CounterDelta]:
    """Return up to `limit` of the oldest messages that are over the limits."""
    rows = await connection.fetch(_OWNER, owner)
    if not rows:
        return []
    number, messages, octets = rows[0]
    oldest = await connection.fetch(_OLDEST, number, limit)
    return [CounterDelta(*row[:5]) for row in _over_limit(cutoff, messages, octets, oldest)]


def _over_limit(
    cutoff: Cutoff, messages: int, octets: int, oldest: Iterable[Row]
) -> Iterator[Row]:
    """Yield the rows that are over the limits, up to the first row that may stay."""
    for row in oldest:
        is_too_old = cutoff.since is not None and row[5] < cutoff.since
        exceeds_messages = cutoff.messages is not None and messages > cutoff.messages
        exceeds_bytes = cutoff.bytes is not None and octets > cutoff.bytes
        if not (is_too_old or exceeds_messages or exceeds_bytes):
            return
        yield row
        messages -= 1
        octets -= row[4]


def _escape_like(text: str) -> str:
    """Escape the wildcards of LIKE."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _ranked_sql(order: UsageOrder, *, is_first: bool) -> str:
    """Return the query for a page of archives; $3 is the last owner of the page before."""
    column, direction = _ORDERS[order]
    comparison = ">" if direction == "ASC" else "<"
    place = f"(SELECT {column}, jid FROM owners WHERE jid = $3)"  # noqa: S608 - constant words
    after = "true" if is_first else f"({column}, jid) {comparison} {place}"
    return _RANKED.format(column=column, direction=direction, after=after)


def _usage(row: Row) -> Usage:
    owner, messages, octets, oldest, newest = row
    return Usage(owner=owner, messages=messages, bytes=octets, oldest=oldest, newest=newest)
