"""What the operators' pages show of archives: each page is one authorized and audited read.

A page needs several reads of the store, such as the messages around each hit of a search. They
belong to one request of the operator, so the audit log has one entry for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from component.core.access.audit import describe_fields, describe_filter
from component.core.access.authorize import Action, Authorizer
from component.core.access.principals import Principal
from component.core.archiving.writer import Queue
from component.core.errors import Forbidden, ItemNotFound, TakesTooLong
from component.core.gaps import Gaps
from component.core.messages.authorship import may_annotate
from component.core.messages.links import (
    ENCRYPTION_NAMESPACES,
    LINK_NAMESPACES,
    SharedFile,
    shared_files,
)
from component.core.messages.stored import Message
from component.core.reading.conversations import (
    ConversationPage,
    ConversationQuery,
    Conversations,
)
from component.core.reading.displayed import DisplayedMarkers
from component.core.reading.hits import Hit
from component.core.reading.page_gaps import gaps_before
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.views import (
    ABOUT_MESSAGE_MAX,
    ABOUT_PAGE_BYTES_MAX,
    FOLDED_KINDS,
    ReadableMessage,
    Views,
)
from component.core.store_errors import translated
from component.core.xml.times import now
from storage.interface import Storage
from storage.rows import (
    ANY,
    ArchivedMessage,
    DayCount,
    Filter,
    Gap,
    Kind,
    Page,
    References,
    Usage,
)

#: The kinds of messages on pages: those of the folded view, and blanked ones, as gaps in it.
SHOWN_KINDS = FOLDED_KINDS | {Kind.BLANKED}

#: Microseconds of a day.
DAY_MICROS = 24 * 3600 * 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The number of messages before and after a hit of a search.
CONTEXT = 3

#: The number of messages before and after a single message.
AROUND = 10

#: Hits on a page of a search.
HITS_MAX = 20

#: The maximum number of matches of a search that are counted by day.
COUNTED_BY_DAY_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The size of an archive, and a page of its conversations."""

    usage: Usage
    conversations: ConversationPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days of a year that have messages, and the ends of the archive or conversation."""

    year: int | None  #: None: all years
    days: tuple[DayCount, ...] | None  #: None: there are too many messages to count them in time
    first: int | None  #: time of the first message, microseconds; None: there is none
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A page of the messages of one day, the oldest first, and the days beside it."""

    messages: tuple[ReadableMessage, ...]
    complete: bool  #: whether the day has no later messages
    previous: int | None  #: time of the last message of an earlier day; None: there is none
    next: int | None  #: time of the first message of a later day
    gaps: tuple[tuple[Gap, ...], ...]  #: for each message those right before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """A message, all that was done to it, and the messages around it in its conversation."""

    message: ReadableMessage
    #: the messages about it that count, oldest first
    annotations: tuple[Message, ...]
    left_out: int  #: number of older messages about it that were not read
    before: tuple[ReadableMessage, ...]
    after: tuple[ReadableMessage, ...]
    #: right before each of the messages, of those around it too
    gaps: tuple[tuple[Gap, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
    """The encrypted messages among the newest ones of a filter: a search cannot find them."""

    messages: int
    examined: int  #: number of messages that were examined
    is_all: bool  #: whether these are all messages of the filter


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """Hits of a search, the newest first."""

    hits: tuple[Hit, ...]
    complete: bool  #: whether there are no older hits
    count: int | None  #: number of all matches; None: there are too many to count in time
    #: the days with matches; None: there are too many matches to count them in time
    days: tuple[DayCount, ...] | None
    encrypted: Encrypted


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFile:
    """A link to a file, and its message."""

    file: SharedFile
    message: ReadableMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """Links to files, the newest first."""

    files: tuple[LinkedFile, ...]
    examined: int  #: number of messages that were examined
    next: str | None  #: id before which to look on; None: there are no older messages


class ArchiveBrowser:
    """Reads what the pages of operators show.

    Every method raises Forbidden, ItemNotFound, BadRequest, TakesTooLong and Overloaded.
    """

    def __init__(
        self,
        authorizer: Authorizer,
        storage: Storage,
        queue: Queue,
        pager: Pager,
        displayed: DisplayedMarkers | None = None,
        gaps: Gaps | None = None,
    ) -> None:
        """`queue` has the messages on their way to the writer: reads wait for them.

        Days and messages name those of the `gaps` that are not filled.
        """
        self._gaps = gaps
        self._authorizer = authorizer
        self._archive = storage.archive
        self._retention = storage.retention
        self._queue = queue
        self._pager = pager
        self._views = Views(storage.archive)
        self._conversations = Conversations(storage.archive, queue, pager, self._views, displayed)

    async def overview(
        self, principal: Principal, owner: str, query: ConversationQuery
    ) -> Overview:
        """Return the size of an archive, 0 for one of which nothing is stored."""
        await self._authorize(principal, owner, Action.CONVERSATIONS, query.described())
        if self._gaps is not None:
            await self._gaps.before_read(owner, ANY)
        conversations = await self._conversations.page(owner, query)
        with translated():
            usage = await self._retention.usage_of(owner)
        return Overview(usage=usage, conversations=conversations)

    async def calendar(
        self, principal: Principal, owner: str, peer: str | None, year: int | None
    ) -> Calendar:
        """Return the days of a year (UTC) that have messages; None: the year of the last one."""
        detail = describe_fields({"calendar": str(year or "newest"), "with": peer})
        first, last = await self._ends(principal, owner, peer, detail)
        year = year or year_of(now() if last is None else last)
        days = await self._days(owner, _of_year(peer, year))
        return Calendar(year=year, days=days, first=first, last=last)

    async def activity(
        self, principal: Principal, owner: str, peer: str | None, year: int | None
    ) -> Calendar:
        """Return the days of a year (UTC) that have messages; None: those of all years."""
        detail = describe_fields({"figures": str(year or "all"), "with": peer})
        first, last = await self._ends(principal, owner, peer, detail)
        days = await self._days(owner, _of_year(peer, year))
        return Calendar(year=year, days=days, first=first, last=last)

    async def day(
        self, principal: Principal, owner: str, peer: str | None, day: int, after: str | None
    ) -> Day:
        """Return the messages of a day (since the epoch, UTC), behind the id `after`."""
        start, end = day * DAY_MICROS, (day + 1) * DAY_MICROS - 1
        filter = Filter(peer=peer, kinds=SHOWN_KINDS, since=start, until=end)
        query = PageQuery(filter=filter, after=after)
        await self._authorize(principal, owner, query.action, query.described())
        if self._gaps is not None:
            await self._gaps.before_read(owner, filter)
        page = await self._pager.read(owner, query)
        everything = replace(filter, since=None, until=None)
        previous = await self._edge(owner, replace(everything, until=start - 1), newest=True)
        behind = previous if after is None else await self._time_of(owner, after)
        return Day(
            messages=await self._folded(owner, page.messages),
            complete=page.complete,
            previous=previous,
            next=await self._edge(owner, replace(everything, since=end + 1), newest=False),
            gaps=self._gaps_before(owner, page.messages, behind),
        )

    async def annotated(self, principal: Principal, owner: str, id: str) -> Annotated:
        """Return one message of any kind. Raises ItemNotFound too."""
        query = PageQuery(filter=Filter(ids=(id,)), limit=1)
        await self._authorize(principal, owner, query.action, query.described())
        page = await self._pager.read(owner, query)
        if not page.messages:
            raise ItemNotFound
        [row] = page.messages
        before, after = await self._around(owner, row, AROUND)
        views = await self._folded(owner, (*before, row, *after))
        with translated():
            references_by_id = await self._archive.references(
                owner, [row.id], limit=ABOUT_MESSAGE_MAX, max_bytes=ABOUT_PAGE_BYTES_MAX
            )
        references = references_by_id.get(row.id, References())
        message = views[len(before)]
        return Annotated(
            message=message,
            annotations=_allowed(message.message, references.messages),
            left_out=references.left_out,
            before=views[: len(before)],
            after=views[len(before) + 1 :],
            gaps=self._gaps_before(owner, (*before, row, *after), None),
        )

    async def search(self, principal: Principal, owner: str, query: PageQuery) -> SearchPage:
        """Return hits in their context; `query` reads backwards."""
        await self._authorize(principal, owner, query.action, query.described())
        limit = min(self._pager.size(query.limit), HITS_MAX)
        page = await self._pager.read(owner, replace(query, limit=limit, counted=True))
        is_counted = page.count is not None and page.count <= COUNTED_BY_DAY_MAX
        contexts = [await self._around(owner, row, CONTEXT) for row in page.messages]
        rows = {
            row.id: row
            for hit, (before, after) in zip(page.messages, contexts, strict=True)
            for row in (*before, hit, *after)
        }
        views = await self._folded(owner, tuple(rows.values()))
        by_id = dict(zip(rows, views, strict=True))
        hits = [
            Hit(
                message=by_id[row.id],
                before=tuple(by_id[other.id] for other in before),
                after=tuple(by_id[other.id] for other in after),
            )
            for row, (before, after) in zip(page.messages, contexts, strict=True)
        ]
        return SearchPage(
            hits=tuple(hits[::-1]),
            complete=page.complete,
            count=page.count,
            days=await self._days(owner, query.filter) if is_counted else None,
            encrypted=await self._encrypted(owner, query.filter),
        )

    async def files(
        self, principal: Principal, owner: str, filter: Filter, before: str | None
    ) -> FilePage:
        """Return the links to files of the newest messages before the id `before`."""
        detail = f"files, {describe_filter(filter, before=before)}"
        await self._authorize(principal, owner, Action.READ, detail)
        await self._queue.wait_readable(owner)
        with translated():
            page = await self._archive.search_xml(
                owner,
                filter,
                LINK_NAMESPACES,
                limit=self._pager.size(None),
                before=before,
                max_bytes=self._pager.max_bytes,
            )
        views = await self._folded(owner, page.messages)
        return FilePage(
            files=tuple(
                LinkedFile(file=file, message=view)
                for view in reversed(views)
                if not (view.folded and view.folded.retracted)
                for file in shared_files(view.message.stored.xml)
            ),
            examined=page.examined,
            next=page.next,
        )

    async def _ends(
        self, principal: Principal, owner: str, peer: str | None, detail: str
    ) -> tuple[int | None, int | None]:
        """Record a read, and return the times of the first and the last message."""
        await self._authorize(principal, owner, Action.READ, detail)
        await self._queue.wait_readable(owner)
        filter = _of_year(peer, None)
        return (
            await self._edge(owner, filter, newest=False),
            await self._edge(owner, filter, newest=True),
        )

    async def _authorize(
        self, principal: Principal, owner: str, action: Action, detail: str
    ) -> None:
        """Record a read of an archive. Raises Forbidden if only a part of it may be read."""
        if await self._authorizer.authorize(principal, owner, action, detail):
            raise Forbidden

    async def _days(self, owner: str, filter: Filter) -> tuple[DayCount, ...] | None:
        """Return the days of a filter, None if there are too many messages to count in time."""
        try:
            with translated():
                return await self._archive.days(owner, filter)
        except TakesTooLong:
            return None

    def _gaps_before(
        self, owner: str, rows: Sequence[ArchivedMessage], previous: int | None
    ) -> tuple[tuple[Gap, ...], ...]:
        """Return the gaps before each message; `previous` is the time of the one before them."""
        gaps = () if self._gaps is None else self._gaps.unfilled_of(owner)
        return tuple(gaps_before(gaps, (row.at for row in rows), previous))

    async def _time_of(self, owner: str, id: str) -> int | None:
        """Return the time of a message, None if it was deleted."""
        with suppress(ItemNotFound), translated():
            page = await self._archive.page(owner, Filter(ids=(id,)), limit=1)
            return page.messages[0].at if page.messages else None
        return None

    async def _edge(self, owner: str, filter: Filter, *, newest: bool) -> int | None:
        """Return the earliest, or the latest, time of a message of a filter."""
        with translated():
            page = await self._archive.page_by_time(owner, filter, limit=1, newest=newest)
        return page.messages[0].at if page.messages else None

    async def _around(
        self, owner: str, row: ArchivedMessage, count: int
    ) -> tuple[tuple[ArchivedMessage, ...], tuple[ArchivedMessage, ...]]:
        """Return the messages before and after a message in its conversation."""
        filter = Filter(peer=row.peer, kinds=SHOWN_KINDS)
        max_bytes = self._pager.max_bytes // HITS_MAX
        with translated():
            before: Page = await self._archive.page(
                owner, filter, limit=count, before=row.id, backwards=True, max_bytes=max_bytes
            )
            after: Page = await self._archive.page(
                owner, filter, limit=count, after=row.id, max_bytes=max_bytes
            )
        return before.messages, after.messages

    async def _folded(
        self, owner: str, rows: Sequence[ArchivedMessage]
    ) -> tuple[ReadableMessage, ...]:
        return await self._views.of(owner, rows, folded=True)

    async def _encrypted(self, owner: str, filter: Filter) -> Encrypted:
        with translated():
            page = await self._archive.search_xml(
                owner, replace(filter, phrases=None), ENCRYPTION_NAMESPACES, limit=0
            )
        return Encrypted(messages=page.count, examined=page.examined, is_all=page.next is None)


def year_of(at: int) -> int:
    """Return the year (UTC) of a time in microseconds."""
    return (_EPOCH + timedelta(microseconds=at)).year


def _of_year(peer: str | None, year: int | None) -> Filter:
    """Return the filter of the shown messages of a year, or of all years."""
    filter = Filter(peer=peer, kinds=SHOWN_KINDS)
    if year is None:
        return filter
    start, end = start_of(date(year, 1, 1)), start_of(date(year + 1, 1, 1)) - 1
    return replace(filter, since=start, until=end)


def start_of(day: date) -> int:
    """Return the first microsecond of a day (UTC)."""
    return (day - _EPOCH.date()).days * DAY_MICROS


def _allowed(message: Message, rows: Sequence[ArchivedMessage]) -> tuple[Message, ...]:
    """Return the messages about a message whose authors have the right to them."""
    annotations = (Message(row) for row in rows)
    return tuple(
        annotation
        for annotation in annotations
        if (reference := annotation.payloads.reference) is not None
        and may_annotate(annotation, reference, message)
    )
