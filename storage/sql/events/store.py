"""The events of accounts: pages over the archive and the journal together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from storage.errors import Expired
from storage.processes import Topic
from storage.rows import (
    ANY,
    ArchivedMessage,
    EntryKind,
    Event,
    EventPage,
    Filter,
    JournalEntry,
    JournalSnapshot,
    Kind,
)
from storage.sql.database import Bound, Connection, Database, Row
from storage.sql.events.journal import Journal
from storage.sql.messages.ids import Ids
from storage.sql.messages.owners import Owners
from storage.sql.messages.selection import BEYOND, Selection, select
from storage.sql.messages.statements import (
    COLUMNS,
    archived_messages,
    by_arrival,
    xml_bound,
)
from storage.sql.retention import scrub

# Before its first entry, nothing is missing in a journal.
_OPEN = """
INSERT INTO journals (owner, is_open, expired_to) VALUES ($1, 1, 0)
ON CONFLICT (owner) DO UPDATE SET is_open = 1, expired_to = $2 WHERE journals.is_open = 0
"""

_OWNERS = "SELECT jid FROM journals JOIN owners ON number = owner WHERE is_open = 1 ORDER BY jid"

_UNUSED = """
SELECT owner, jid FROM journals JOIN owners ON number = owner
WHERE is_open = 1 AND NOT EXISTS (
    SELECT 1 FROM sign_ins WHERE sign_ins.jid = owners.jid AND expires_at > $1
)
"""

_CLOSE = (
    "DELETE FROM journal WHERE owner = $1",
    "UPDATE journals SET is_open = 0 WHERE owner = $1",
)

_STATE = """
SELECT last_sequence, coalesce(expired_to, 0)
FROM owners LEFT JOIN journals ON owner = number WHERE number = $1
"""

_ALL = "SELECT sequence, kind, subject, at, value FROM journal WHERE owner = $1"

_PRESENT = f"{_ALL} AND kind IN ('contact', 'presence', 'request') AND value <> ''"

_SEEN = "SELECT peer, seen FROM conversations WHERE owner = $1 AND seen > 0"

_ENTRIES = """
SELECT sequence, kind, subject, at, value FROM journal
WHERE owner = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
"""

_TARGETS = f"""
SELECT {COLUMNS} FROM archive
WHERE owner = $1 AND sequence = ANY($2) ORDER BY sequence
"""  # noqa: S608 - constant words

#: Kinds of messages that are about another message.
_ABOUT_OTHERS = (Kind.ANNOTATION.value, Kind.RECEIPT.value)

_KIND = 8  # of a row of COLUMNS


class SqlEvents:
    """`storage.interface.EventsStore`, over a database that only this process writes."""

    def __init__(self, database: Database, ids: Ids, owners: Owners, journal: Journal) -> None:
        self._database = database
        self._ids = ids
        self._owners = owners
        self._journal = journal

    async def open(self, owner: str) -> None:
        try:
            async with self._database.write() as connection:
                counters = (await self._owners.get_or_create(connection, [owner]))[owner]
                await connection.execute(_OPEN, counters.number, counters.last_sequence)
                await connection.notify(Topic.OPENED, [owner])
        except BaseException:
            self._owners.discard_counters()
            raise

    async def owners(self) -> tuple[str, ...]:
        async with self._database.read() as connection:
            return tuple(row[0] for row in await connection.fetch(_OWNERS))

    async def close_unused(self, *, at: int) -> tuple[str, ...]:
        async with self._database.write() as connection:
            unused = await connection.fetch(_UNUSED, at)
            for number, _ in unused:
                for sql in _CLOSE:
                    await connection.execute(sql, number)
            if unused:
                await scrub.note(connection)
                await connection.notify(Topic.CLOSED, [row[1] for row in unused])
        return tuple(row[1] for row in unused)

    async def put(self, entries: Sequence[JournalEntry]) -> frozenset[str]:
        try:
            async with self._database.write() as connection:
                changed = await self._journal.write(connection, entries)
                if changed:
                    await connection.notify(Topic.EVENTS, changed)
                return changed
        except BaseException:
            self._owners.discard_counters()
            raise

    async def snapshot(self, owner: str, *, past: bool = False) -> JournalSnapshot:
        async def read(connection: Connection) -> JournalSnapshot:
            number = await self._owners.look_up(connection, owner)
            state = await connection.fetch(_STATE, number)
            last = state[0][0] if state else 0
            rows = await connection.fetch(_ALL if past else _PRESENT, number)
            return JournalSnapshot(
                event_id=last,
                cursor=self._cursors(number, [last])[0],
                entries=tuple(_entry(owner, row) for row in rows),
            )

        return await self._database.read_archive(owner, read, in_snapshot=True)

    async def seen(self, owner: str) -> Mapping[str, int]:
        async def read(connection: Connection) -> Mapping[str, int]:
            number = await self._owners.look_up(connection, owner)
            return {row[0]: row[1] for row in await connection.fetch(_SEEN, number)}

        return await self._database.read_archive(owner, read)

    async def page(
        self, owner: str, after: int | str, *, limit: int, max_bytes: int | None = None
    ) -> EventPage:
        if (end := self._end(owner, after)) is not None:
            return end
        bound = xml_bound(max_bytes)

        async def read(connection: Connection) -> EventPage:
            number = await self._owners.look_up(connection, owner)
            place, last = await self._place(connection, number, after)
            messages = await by_arrival(
                connection,
                Selection(number=number, filter=ANY, first=place + 1),
                limit=limit + 1,
                bound=bound,
            )
            entries = await connection.fetch(_ENTRIES, number, place, limit + 1)
            messages, entries, complete = _merged(messages, entries, limit, bound)
            return await self._page(
                connection, owner, number, messages, entries, last if complete else None, bound
            )

        return await self._database.read_archive(owner, read, in_snapshot=True)

    async def messages(
        self,
        owner: str,
        filter: Filter,
        *,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int,
        max_bytes: int | None = None,
    ) -> EventPage:
        bound = xml_bound(max_bytes)

        async def read(connection: Connection) -> EventPage:
            number = await self._owners.look_up(connection, owner)
            selection = await select(connection, self._ids, number, filter)
            part = selection.within(
                min(after, BEYOND) + 1, BEYOND if before is None else min(before, BEYOND) - 1
            )
            rows = await by_arrival(
                connection, part, limit=limit + 1, backwards=newest, bound=bound
            )
            fitting = rows[:limit] if bound is None else rows[: min(limit, bound.fit(rows))]
            complete = len(fitting) == len(rows)
            ordered = fitting[::-1] if newest else fitting
            end = ordered[-1][0] if ordered else after
            page = await self._page(connection, owner, number, ordered, [], end, bound)
            return replace(page, complete=complete)

        return await self._database.read_archive(owner, read, in_snapshot=True)

    def _end(self, owner: str, after: int | str) -> EventPage | None:
        """Return the empty page behind the last event, None if the store has to be asked.

        Most polls begin behind the last event that the client has just got.
        """
        cached = self._owners.last_sequence(owner)
        if cached is None:
            return None
        number, last = cached
        place = after if isinstance(after, int) else self._ids.decode(number, after)
        if place != last:
            return None
        [cursor] = self._cursors(number, [last])
        return EventPage(events=(), targets={}, event_id=last, cursor=cursor, complete=True)

    async def _place(
        self, connection: Connection, number: int, after: int | str
    ) -> tuple[int, int]:
        """Return the sequence of a place, and the last sequence of the archive. Raises Expired."""
        state = await connection.fetch(_STATE, number)
        last, expired_to = state[0] if state else (0, 0)
        place = after if isinstance(after, int) else self._ids.decode(number, after)
        if place is None or not expired_to <= place <= last:
            raise Expired(str(after))
        return place, last

    async def _page(
        self,
        connection: Connection,
        owner: str,
        number: int,
        messages: Sequence[Row],
        entries: Sequence[Row],
        last: int | None,
        bound: Bound | None,
    ) -> EventPage:
        """Return a page of rows; `last` is the last sequence of the archive if it is complete."""
        about = [row[0] for row in messages if row[_KIND] in _ABOUT_OTHERS]
        target_of = await connection.index.targets(connection, number, about) if about else {}
        changed = [row[2] for row in entries if row[1] == EntryKind.CHANGED]
        places = [place for id in changed if (place := self._ids.decode(number, id)) is not None]
        rows: Sequence[Row] = []
        if targets := sorted({*target_of.values(), *places}):
            rows = await connection.fetch(_TARGETS, number, targets, bound=bound)
        fitting = rows if bound is None else rows[: bound.fit(rows)]
        target_ids = dict(
            zip(target_of, self._cursors(number, list(target_of.values())), strict=True)
        )
        events: dict[int, dict[str, object]] = {}
        for row, message in zip(
            messages, archived_messages(self._ids, number, messages), strict=True
        ):
            events[row[0]] = {"message": message, "target": target_ids.get(row[0])}
        for row in entries:
            events[row[0]] = {"entry": _entry(owner, row)}
        sequences = sorted(events)
        end = last if last is not None else sequences[-1]
        cursors = self._cursors(number, [*sequences, end])
        return EventPage(
            events=tuple(
                Event(event_id=sequence, cursor=cursor, **events[sequence])  # type: ignore[arg-type]
                for sequence, cursor in zip(sequences, cursors, strict=False)
            ),
            targets=_by_made_id(archived_messages(self._ids, number, fitting)),
            event_id=end,
            cursor=cursors[-1],
            complete=last is not None,
        )

    def _cursors(self, number: int, sequences: Sequence[int]) -> list[str]:
        """Return the places behind sequences: the ids that messages at these places would have."""
        return self._ids.encode(number, sequences) if sequences else []


def _merged(
    messages: list[Row], entries: list[Row], limit: int, bound: Bound | None
) -> tuple[list[Row], list[Row], bool]:
    """Return the oldest rows within the limits, and whether these are all rows."""
    fitting = messages if bound is None else messages[: bound.fit(messages)]
    # No event behind a message that does not fit may come before it.
    edge = messages[len(fitting)][0] if len(fitting) < len(messages) else None
    sequences = sorted(row[0] for row in (*fitting, *entries) if edge is None or row[0] < edge)
    last = sequences[:limit][-1] if sequences else 0
    complete = edge is None and len(sequences) <= limit
    return (
        [row for row in fitting if row[0] <= last],
        [row for row in entries if row[0] <= last],
        complete,
    )


def _by_made_id(messages: Sequence[ArchivedMessage]) -> dict[str, ArchivedMessage]:
    return {message.position: message for message in messages}


def _entry(owner: str, row: Row) -> JournalEntry:
    event_id, kind, subject, at, value = row
    return JournalEntry(
        owner=owner,
        kind=EntryKind(kind),
        subject=subject,
        value=value,
        at=at,
        event_id=event_id,
    )
