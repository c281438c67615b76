"""The archive store: what is read of archives, and the transaction around what is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from storage.errors import NotFound
from storage.rows import (
    ANY,
    ArchivedMessage,
    Batch,
    Conversation,
    Conversations,
    Filter,
    Page,
    References,
    RetractionOutcome,
    UnfinishedRetraction,
)
from storage.sqlite.engine.protocols import Bound, Connection, Database, Result, Row
from storage.sqlite.messages import retractions
from storage.sqlite.messages.append import Appender
from storage.sqlite.messages.conversations import listed
from storage.sqlite.messages.counters import Scopes, scopes
from storage.sqlite.messages.counting import (
    AT_ONCE,
    at_once,
    behind,
    cheaply,
    counted_rows,
    exactly,
    tallied,
)
from storage.sqlite.messages.ids import Ids
from storage.sqlite.messages.marks import about
from storage.sqlite.messages.owners import Owners
from storage.sqlite.messages.ranges import BEYOND, Selection, decoded, select, sequences
from storage.sqlite.messages.select import archived_messages, by_arrival, by_time, of_xml

# Not so where an older copy of the database was put in the place of the one that gave an id.
_GAVE = "SELECT 1 FROM owners WHERE number = $1 AND last >= $2"


class SqliteArchive:
    """`storage.interface.Archive` over a Database that only this process writes."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids
        self._owners = Owners()
        self._appending = Appender(self._owners)

    def forget(self, owner: str) -> None:
        """Forget an archive that was erased; call it right behind that transaction."""
        self._owners.forget(owner)

    async def append(self, batch: Batch) -> None:
        """Store a batch in its order, with lines of the audit log, and make it durable."""
        try:
            async with self._database.write() as connection:
                await self._appending.write(connection, batch)
        except BaseException:
            self._owners.undo()
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
        index: int | None = None,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        """Return up to `limit` messages in arrival order between two ids, both exclusive."""
        bound = of_xml(max_bytes)

        async def read(connection: Connection) -> Page:
            number = await self._owners.look_up(connection, owner)
            selection = await select(connection, self._ids, number, wanted)
            of = tallied(selection) if selection.is_one_stretch else None
            if counted and index is None and of:
                return await self._counted_page(
                    connection, selection, of, limit, after, before, backwards, bound
                )
            places = await sequences(connection, self._ids, number, _named(after, before))
            part, skip = _between(selection, places, after, before), 0
            if index is not None:
                part, skip = await behind(connection, part, index)
            rows = await by_arrival(
                connection, part, limit=limit + 1, backwards=backwards, skip=skip, bound=bound
            )
            complete = _cut(rows, limit, backwards, bound)
            place = count = None
            if counted:
                place, count = await cheaply(connection, selection, rows[0][0] if rows else 0)
            return Page(
                messages=archived_messages(self._ids, number, rows),
                complete=complete,
                index=index if index is not None or not rows else place,
                count=count,
            )

        is_one_step = index is None and (not counted or _is_whole(wanted))
        return await self._reading(owner, read, wanted, is_steady=not is_one_step)

    async def _counted_page(
        self,
        connection: Connection,
        selection: Selection,
        of: Scopes,
        limit: int,
        after: str | None,
        before: str | None,
        backwards: bool,
        bound: Bound | None,
    ) -> Page:
        """Return a counted page of what is tallied, as most pages are."""
        places = decoded(self._ids, selection.number, _named(after, before))
        part = _between(selection, places, after, before)
        rows, found, place, count = await counted_rows(
            connection,
            selection,
            of,
            part,
            places,
            limit=limit + 1,
            backwards=backwards,
            bound=bound,
        )
        complete = _cut(rows, limit, backwards, bound)
        if backwards:
            # The oldest rows that were found have no place on the page.
            place += found - len(rows)
        return Page(
            messages=archived_messages(self._ids, selection.number, rows),
            complete=complete,
            index=place if rows else None,
            count=count,
        )

    async def page_after(
        self, owner: str, id: str, *, limit: int, max_bytes: int | None = None
    ) -> Page:
        """Return the oldest `limit` messages behind the place of an id."""
        bound = of_xml(max_bytes)

        async def read(connection: Connection) -> Page:
            number = await self._owners.look_up(connection, owner)
            sequence = self._ids.decode(number, id)
            if sequence is None or not await connection.fetch(_GAVE, number, sequence):
                raise NotFound(id)
            part = Selection(number=number, wanted=ANY, first=sequence + 1)
            rows = await by_arrival(connection, part, limit=limit + 1, bound=bound)
            complete = _cut(rows, limit, False, bound)
            return Page(messages=archived_messages(self._ids, number, rows), complete=complete)

        return await self._reading(owner, read)

    async def page_by_time(
        self,
        owner: str,
        wanted: Filter,
        *,
        limit: int | None,
        newest: bool = False,
        counted: bool = False,
        max_bytes: int | None = None,
    ) -> Page:
        """Return the oldest (or newest) `limit` messages in the order of their time."""

        async def read(connection: Connection) -> Page:
            count = await self._count(connection, owner, wanted) if counted else None
            number = await self._owners.look_up(connection, owner)
            selection = await select(connection, self._ids, number, wanted, is_by_time=True)
            rows, complete = await _in_time(
                connection, selection, limit, newest, of_xml(max_bytes)
            )
            if newest:
                rows.reverse()
            return Page(
                messages=archived_messages(self._ids, number, rows), complete=complete, count=count
            )

        is_steady = counted and wanted not in AT_ONCE
        return await self._reading(owner, read, wanted, is_steady=is_steady)

    async def count(self, owner: str, wanted: Filter) -> int:
        """Return exactly how many messages match; free of cost when the filter is empty."""

        async def read(connection: Connection) -> int:
            return await self._count(connection, owner, wanted)

        return await self._reading(owner, read, wanted, is_steady=wanted not in AT_ONCE)

    async def _reading(
        self,
        owner: str,
        read: Callable[[Connection], Awaitable[Result]],
        wanted: Filter = ANY,
        *,
        is_steady: bool = False,
    ) -> Result:
        # How many steps a search takes says nothing: the index is walked within one of them.
        return await self._database.read_archive(
            owner, read, is_steady=is_steady, is_long=bool(wanted.phrases)
        )

    async def _count(self, connection: Connection, owner: str, wanted: Filter) -> int:
        count = await at_once(connection, owner, wanted)
        if count is not None:
            return count
        number = await self._owners.look_up(connection, owner)
        return await exactly(connection, await select(connection, self._ids, number, wanted))

    async def first_and_last(self, owner: str) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message of an archive, None when it is empty."""

        async def read(connection: Connection) -> tuple[ArchivedMessage, ArchivedMessage] | None:
            number = await self._owners.look_up(connection, owner)
            everything = Selection(number=number, wanted=ANY)
            rows = await by_arrival(connection, everything, limit=1)
            rows += await by_arrival(connection, everything, limit=1, backwards=True)
            if not rows:
                return None
            first, last = archived_messages(self._ids, number, rows)
            return first, last

        return await self._reading(owner, read, is_steady=True)

    async def references(
        self, owner: str, ids: Sequence[str], *, limit: int, max_bytes: int | None = None
    ) -> dict[str, References]:
        """Return what is about each of these messages, as far as there is anything."""

        async def read(connection: Connection) -> dict[str, References]:
            number = await self._owners.look_up(connection, owner)
            places = decoded(self._ids, number, ids)
            found = {}
            rows_about = about(connection, number, places.values(), limit, of_xml(max_bytes))
            async for place, rows, left_out in rows_about:
                messages = archived_messages(self._ids, number, rows)
                found[place] = References(messages=messages, left_out=left_out)
            return {id: found[place] for id, place in places.items() if place in found}

        return await self._reading(owner, read, is_steady=True)

    async def unfinished_retractions(self, *, after: int = 0) -> tuple[UnfinishedRetraction, ...]:
        async with self._database.read() as connection:
            return await retractions.unfinished(connection, self._ids, after)

    async def apply_retractions(self, outcomes: Sequence[RetractionOutcome]) -> None:
        async with self._database.write() as connection:
            for outcome in outcomes:
                await retractions.apply(connection, self._ids, outcome)

    async def conversations(
        self,
        owner: str,
        *,
        limit: int,
        before: str | None = None,
        since: str | None = None,
        max_bytes: int | None = None,
    ) -> Conversations:
        """Return up to `limit` conversations of an archive, those with the newest messages."""

        async def read(connection: Connection) -> tuple[int, list[Row], list[Row], bool]:
            number = await self._owners.look_up(connection, owner)
            places = await sequences(connection, self._ids, number, _named(before, since))
            return number, *await listed(
                connection,
                number,
                before=BEYOND if before is None else places[before],
                since=None if since is None else places[since],
                limit=limit,
                bound=of_xml(max_bytes),
            )

        number, found, said, complete = await self._reading(owner, read, is_steady=True)
        newest = self._ids.encode(number, [row[1] for row in found])
        last = archived_messages(self._ids, number, said)
        return Conversations(
            conversations=tuple(
                Conversation(peer=row[0], newest=id, messages=row[2], last=message, unread=row[3])
                for row, id, message in zip(found, newest, last, strict=True)
            ),
            complete=complete,
        )


def _is_whole(wanted: Filter) -> bool:
    """Whether the rows of a filter are counted in the statement that reads them."""
    edges = (wanted.since, wanted.until, wanted.after, wanted.before)
    return edges == (None, None, None, None) and scopes(wanted) is not None


def _named(*ids: str | None) -> list[str]:
    return [id for id in ids if id is not None]


def _between(
    selection: Selection, places: Mapping[str, int], after: str | None, before: str | None
) -> Selection:
    return selection.within(
        1 if after is None else places[after] + 1,
        BEYOND if before is None else places[before] - 1,
    )


def _cut(rows: list[Row], limit: int, backwards: bool, bound: Bound | None = None) -> bool:
    """Leave no more rows than fit, the oldest first; return whether those are all."""
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
    """Return rows in the order of time, newest first where asked, and whether it is all."""
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
    # The page would part messages of one microsecond, and whoever pages by time could never ask
    # for the rest of them.
    edge = rows[limit][1]
    beyond = ("<" if newest else ">", edge)
    more = await by_time(connection, selection, newest=newest, limit=1, edge=beyond)
    rows = [row for row in rows if row[1] != edge]
    rows += await by_time(connection, selection, newest=newest, limit=None, edge=("=", edge))
    return rows, not more
