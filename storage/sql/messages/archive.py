"""The archive store: it reads archives, and opens the transactions of writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from storage.errors import NotFound
from storage.processes import Topic
from storage.rows import (
    ANY,
    ArchivedMessage,
    Batch,
    Conversation,
    Conversations,
    DayCount,
    DisplayedMarker,
    ExaminedPage,
    Filter,
    JournalLimits,
    Page,
    References,
    RetractionOutcome,
    RoomConversation,
    UnfinishedRetraction,
)
from storage.sql.database import Bound, Connection, Database, Job, Result, Row
from storage.sql.events.journal import Journal
from storage.sql.messages import examining, retractions
from storage.sql.messages.append import Appender
from storage.sql.messages.conversations import (
    fetch,
    fetch_rooms,
    note_displayed,
    note_displayed_in_rooms,
    read_rooms,
)
from storage.sql.messages.counts import (
    OWNER_COUNTS,
    Series,
    count_exactly,
    count_of_owner,
    counted_by,
    counted_rows,
    position_and_count,
    series_of,
    skip_to_index,
)
from storage.sql.messages.ids import Ids
from storage.sql.messages.owners import CACHED_OWNERS_MAX, Owners
from storage.sql.messages.references import referring
from storage.sql.messages.selection import BEYOND, Selection, decoded, select, sequences
from storage.sql.messages.statements import archived_messages, by_arrival, by_time, xml_bound

# No row if the database was replaced with a backup that is older than the id.
_GIVEN = "SELECT 1 FROM owners WHERE number = $1 AND last_sequence >= $2"

_CREATED_AT = "SELECT created_at FROM rooms WHERE jid = $1"


class SqlArchive:
    """`storage.interface.Archive` over a Database."""

    def __init__(
        self,
        database: Database,
        ids: Ids,
        *,
        cached_owners_max: int = CACHED_OWNERS_MAX,
        journal_limits: JournalLimits | None = None,
    ) -> None:
        self._database = database
        self._ids = ids
        #: The counters that the journal uses too.
        self.owners = Owners(
            cached_owners_max,
            is_only_writer=database.is_only_writer,
            is_shared=database.is_shared,
        )
        self.journal = Journal(self.owners, journal_limits)
        self.appending = Appender(
            self.owners,
            ids,
            is_shared=database.is_shared,
            finds_keys_at_once=not database.is_only_writer,
        )

    def forget(self, owner: str) -> None:
        """Remove an erased archive from the caches; call this directly after its transaction."""
        self.owners.forget(owner)

    async def append(self, batch: Batch) -> None:
        try:
            await self._database.transact(
                lambda connection: self.appending.write(connection, batch)
            )
        except BaseException:
            self.owners.discard_counters()
            raise

    async def page(
        self,
        owner: str,
        filter: Filter,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        backwards: bool = False,
        index: int | None = None,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        bound = xml_bound(max_bytes)

        async def read(connection: Connection) -> Page:
            number = await self.owners.look_up(connection, owner)
            selection = await select(connection, self._ids, number, filter)
            series = counted_by(selection) if selection.is_one_range else None
            if counted and index is None and series:
                return await self._counted_page(
                    connection, selection, series, limit, after, before, backwards, bound
                )
            places = await sequences(connection, self._ids, number, _present(after, before))
            part, skip = _between(selection, places, after, before), 0
            if index is not None:
                part, skip = await skip_to_index(connection, part, index)
            rows = await by_arrival(
                connection, part, limit=limit + 1, backwards=backwards, skip=skip, bound=bound
            )
            complete = _trim(rows, limit, backwards, bound)
            place = count = None
            if counted:
                place, count = await position_and_count(
                    connection, selection, rows[0][0] if rows else 0
                )
            return Page(
                messages=archived_messages(self._ids, number, rows),
                complete=complete,
                index=index if index is not None or not rows else place,
                count=count,
            )

        is_one_step = index is None and (not counted or _is_counted_in_one_step(filter))
        return await self._read(owner, read, filter, in_snapshot=not is_one_step)

    async def _counted_page(
        self,
        connection: Connection,
        selection: Selection,
        series: Series,
        limit: int,
        after: str | None,
        before: str | None,
        backwards: bool,
        bound: Bound | None,
    ) -> Page:
        """Return a counted page of a selection that counters count; most pages are such pages."""
        places = await decoded(connection, self._ids, selection.number, _present(after, before))
        part = _between(selection, places, after, before)
        rows, row_count, place, count = await counted_rows(
            connection,
            selection,
            series,
            part,
            places,
            limit=limit + 1,
            backwards=backwards,
            bound=bound,
        )
        complete = _trim(rows, limit, backwards, bound)
        if backwards:
            # The page lacks the oldest rows.
            place += row_count - len(rows)
        return Page(
            messages=archived_messages(self._ids, selection.number, rows),
            complete=complete,
            index=place if rows else None,
            count=count,
        )

    async def page_after(
        self, owner: str, id: str, *, limit: int, max_bytes: int | None = None
    ) -> Page:
        bound = xml_bound(max_bytes)

        async def read(connection: Connection) -> Page:
            number = await self.owners.look_up(connection, owner)
            sequence = (await decoded(connection, self._ids, number, [id]))[id]
            if not await connection.fetch(_GIVEN, number, sequence):
                raise NotFound(id)
            part = Selection(number=number, filter=ANY, first=sequence + 1)
            rows = await by_arrival(connection, part, limit=limit + 1, bound=bound)
            complete = _trim(rows, limit, False, bound)
            return Page(messages=archived_messages(self._ids, number, rows), complete=complete)

        return await self._read(owner, read)

    async def page_by_time(
        self,
        owner: str,
        filter: Filter,
        *,
        limit: int | None,
        newest: bool = False,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        async def read(connection: Connection) -> Page:
            count = await self._count(connection, owner, filter) if counted else None
            number = await self.owners.look_up(connection, owner)
            selection = await select(connection, self._ids, number, filter, is_by_time=True)
            rows, complete = await _in_time(
                connection, selection, limit, newest, xml_bound(max_bytes)
            )
            if newest:
                rows.reverse()
            return Page(
                messages=archived_messages(self._ids, number, rows), complete=complete, count=count
            )

        in_snapshot = counted and filter not in OWNER_COUNTS
        return await self._read(owner, read, filter, in_snapshot=in_snapshot)

    async def count(self, owner: str, filter: Filter) -> int:
        async def read(connection: Connection) -> int:
            return await self._count(connection, owner, filter)

        return await self._read(owner, read, filter, in_snapshot=filter not in OWNER_COUNTS)

    async def days(self, owner: str, filter: Filter) -> tuple[DayCount, ...]:
        async def read(connection: Connection) -> tuple[DayCount, ...]:
            number = await self.owners.look_up(connection, owner)
            return await examining.days(
                connection, await select(connection, self._ids, number, filter)
            )

        return await self._read(owner, read, filter, in_snapshot=True)

    async def search_xml(
        self,
        owner: str,
        filter: Filter,
        texts: Sequence[str],
        *,
        limit: int,
        before: str | None = None,
        max_bytes: int | None = None,
    ) -> ExaminedPage:
        bound = xml_bound(max_bytes)

        async def read(connection: Connection) -> ExaminedPage:
            number = await self.owners.look_up(connection, owner)
            selection = await select(connection, self._ids, number, filter)
            places = await sequences(connection, self._ids, number, _present(before))
            window = await examining.window(connection, _between(selection, places, None, before))
            matches = await examining.search_xml(connection, window, texts, limit, bound)
            is_whole = _trim(matches.rows, limit, backwards=True, bound=bound)
            last = window.first_examined if is_whole else matches.rows[0][0]
            return ExaminedPage(
                messages=archived_messages(self._ids, number, matches.rows),
                count=matches.count,
                examined=window.examined,
                next=None if last is None else self._ids.encode(number, [last])[0],
            )

        return await self._read(owner, read, filter, in_snapshot=True)

    async def _read(
        self,
        owner: str,
        read: Job[Result],
        filter: Filter = ANY,
        *,
        in_snapshot: bool = False,
    ) -> Result:
        # A limit of steps does not stop a search: FTS5 walks the index within one step.
        return await self._database.read_archive(
            owner, read, in_snapshot=in_snapshot, is_long=bool(filter.phrases)
        )

    async def _count(self, connection: Connection, owner: str, filter: Filter) -> int:
        count = await count_of_owner(connection, owner, filter)
        if count is not None:
            return count
        number = await self.owners.look_up(connection, owner)
        return await count_exactly(connection, await select(connection, self._ids, number, filter))

    async def first_and_last(self, owner: str) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        async def read(connection: Connection) -> tuple[ArchivedMessage, ArchivedMessage] | None:
            number = await self.owners.look_up(connection, owner)
            everything = Selection(number=number, filter=ANY)
            rows = await by_arrival(connection, everything, limit=1)
            rows += await by_arrival(connection, everything, limit=1, backwards=True)
            if not rows:
                return None
            first, last = archived_messages(self._ids, number, rows)
            return first, last

        return await self._read(owner, read, in_snapshot=True)

    async def references(
        self, owner: str, ids: Sequence[str], *, limit: int, max_bytes: int | None = None
    ) -> dict[str, References]:
        async def read(connection: Connection) -> dict[str, References]:
            number = await self.owners.look_up(connection, owner)
            places = await decoded(connection, self._ids, number, ids)
            by_sequence = {}
            rows_about = referring(
                connection, number, places.values(), limit, xml_bound(max_bytes)
            )
            async for place, rows, left_out in rows_about:
                messages = archived_messages(self._ids, number, rows)
                by_sequence[place] = References(messages=messages, left_out=left_out)
            return {id: by_sequence[place] for id, place in places.items() if place in by_sequence}

        return await self._read(owner, read, in_snapshot=True)

    async def named(
        self, owner: str, name_hashes: Collection[int]
    ) -> Mapping[int, ArchivedMessage]:
        async def read(connection: Connection) -> Mapping[int, ArchivedMessage]:
            number = await self.owners.look_up(connection, owner)
            names = [(number, name_hash) for name_hash in dict.fromkeys(name_hashes)]
            last = await connection.index.last_named(connection, names) if names else {}
            places = tuple({target.original for target in last.values()})
            selection = Selection(number=number, filter=ANY, sequences=places)
            rows = await by_arrival(connection, selection, limit=len(places)) if places else []
            created_at = [row[0] for row in await connection.fetch(_CREATED_AT, owner)]
            messages = archived_messages(self._ids, number, rows)
            by_place = {
                row[0]: message
                for row, message in zip(rows, messages, strict=True)
                if message.at >= max(created_at, default=0)
            }
            return {
                name_hash: by_place[target.original]
                for (_, name_hash), target in last.items()
                if target.original in by_place
            }

        return await self._read(owner, read, in_snapshot=True)

    async def unfinished_retractions(self, *, after: int = 0) -> tuple[UnfinishedRetraction, ...]:
        async with self._database.read() as connection:
            return await retractions.unfinished(connection, self._ids, after)

    async def apply_retractions(self, outcomes: Sequence[RetractionOutcome]) -> None:
        async with self._journalled() as connection:
            for outcome in outcomes:
                replaced = await retractions.apply(connection, self._ids, outcome)
                if replaced is not None:
                    await self.journal.note_changed(connection, *replaced)
                    await connection.notify(Topic.EVENTS, [replaced[0]])

    async def conversations(
        self,
        owner: str,
        *,
        limit: int,
        before: str | None = None,
        since: str | None = None,
        peers: Collection[str] | None = None,
        max_bytes: int | None = None,
    ) -> Conversations:
        async def read(connection: Connection) -> tuple[int, list[Row], list[Row], bool]:
            number = await self.owners.look_up(connection, owner)
            places = await sequences(connection, self._ids, number, _present(before, since))
            return number, *await fetch(
                connection,
                number,
                before=BEYOND if before is None else places[before],
                since=None if since is None else places[since],
                peers=peers,
                limit=limit,
                bound=xml_bound(max_bytes),
            )

        number, conversations, messages, complete = await self._read(owner, read, in_snapshot=True)
        newest = self._ids.encode(number, [row[1] for row in conversations])
        last = archived_messages(self._ids, number, messages)
        return Conversations(
            conversations=tuple(
                Conversation(
                    peer=row[0],
                    newest=id,
                    messages=row[2],
                    last=message,
                    unread=row[3],
                    displayed=self._ids.encode(number, [row[5]])[0] if row[5] else None,
                )
                for row, id, message in zip(conversations, newest, last, strict=True)
            ),
            complete=complete,
        )

    async def room_conversations(
        self, jid: str, rooms: Collection[str]
    ) -> tuple[RoomConversation, ...]:
        async def read(connection: Connection) -> tuple[list[Row], list[Row]]:
            return await fetch_rooms(connection, jid, rooms)

        rows, messages = await self._read(jid, read, in_snapshot=True)
        last = {row[0]: archived_messages(self._ids, row[0], [row[1:]])[0] for row in messages}
        return tuple(
            RoomConversation(
                room=room,
                last=last.get(number),
                unread=unread,
                displayed=(stanza_id or self._ids.encode(number, [seen])[0]) if seen else None,
            )
            for number, room, seen, stanza_id, unread, _ in rows
        )

    async def read_rooms(self, room: str, jids: Collection[str]) -> None:
        async with self._database.write() as connection:
            await read_rooms(connection, room, jids)

    async def note_displayed(self, markers: Sequence[DisplayedMarker]) -> frozenset[str]:
        async with self._journalled() as connection:
            numbers = {
                owner: await self.owners.find(connection, owner)
                for owner in {marker.owner for marker in markers}
            }
            placed = [(numbers[marker.owner], marker) for marker in markers]
            changes = await note_displayed(connection, self._ids, placed)
            rooms = [
                (await self.owners.find(connection, marker.peer), marker)
                for marker in markers
                if marker.is_room
            ]
            seen = {change[:2] for change in changes}
            in_rooms = await note_displayed_in_rooms(connection, self._ids, rooms)
            changes += [change for change in in_rooms if change[:2] not in seen]
            for owner, peer, id in changes:
                await self.journal.note_displayed(connection, owner, peer, id)
            if changes:
                await connection.notify(Topic.EVENTS, {owner for owner, _, _ in changes})
        return frozenset(owner for owner, _, _ in changes)

    @asynccontextmanager
    async def _journalled(self) -> AsyncIterator[Connection]:
        """Open a transaction that may write the journal too."""
        try:
            async with self._database.write() as connection:
                yield connection
        except BaseException:
            self.owners.discard_counters()
            raise


def _is_counted_in_one_step(filter: Filter) -> bool:
    """Return whether the statement that reads the rows of a filter also counts them."""
    edges = (filter.since, filter.until, filter.after, filter.before)
    return edges == (None, None, None, None) and series_of(filter) is not None


def _present(*ids: str | None) -> list[str]:
    return [id for id in ids if id is not None]


def _between(
    selection: Selection, places: Mapping[str, int], after: str | None, before: str | None
) -> Selection:
    return selection.within(
        1 if after is None else places[after] + 1,
        BEYOND if before is None else places[before] - 1,
    )


def _trim(rows: list[Row], limit: int, backwards: bool, bound: Bound | None = None) -> bool:
    """Drop the rows beyond the page, put the oldest first; return whether no row was dropped."""
    fitting = len(rows) if bound is None else bound.fit(rows)
    complete = len(rows) <= min(limit, fitting)
    del rows[min(limit, fitting) :]
    if backwards:
        rows.reverse()
    return complete


async def _in_time(
    connection: Connection,
    selection: Selection,
    limit: int | None,
    newest: bool,
    bound: Bound | None,
) -> tuple[list[Row], bool]:
    """Return rows by time, with `newest` the newest first, and whether these are all rows."""
    rows = await by_time(
        connection,
        selection,
        newest=newest,
        limit=None if limit is None else limit + 1,
        bound=bound,
    )
    fitting = len(rows) if bound is None else bound.fit(rows)
    limit = fitting if limit is None else min(limit, fitting)
    if len(rows) <= limit:
        return rows, True
    if not limit or rows[limit][1] != rows[limit - 1][1]:
        return rows[:limit], False
    # The page would separate messages of one microsecond. A caller that pages by time could never
    # get the rest of these messages, so the page gets all of them.
    edge = rows[limit][1]
    beyond = ("<" if newest else ">", edge)
    further = await by_time(connection, selection, newest=newest, limit=1, edge=beyond)
    rows = [row for row in rows if row[1] != edge]
    rows += await by_time(connection, selection, newest=newest, limit=None, edge=("=", edge))
    return rows, not further
