"""The one reader of archives, for XMPP and HTTP: authorize the principal, then read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass

from component.core.access.audit import describe_filter
from component.core.access.authorize import Action, Authorizer
from component.core.access.principals import Principal
from component.core.archiving.writer import Queue
from component.core.errors import Forbidden, ItemNotFound
from component.core.gaps import Gaps
from component.core.reading.conversations import (
    ConversationPage,
    ConversationQuery,
    Conversations,
)
from component.core.reading.displayed import DisplayedMarkers
from component.core.reading.follow import ArchiveStream, ArchiveStreams, Followers
from component.core.reading.hits import Hit
from component.core.reading.page_gaps import spanned
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.views import FOLDED_KINDS, ReadableMessage, Views
from component.core.store_errors import translated
from storage.errors import NotFound
from storage.interface import Storage
from storage.rows import ANY, ArchivedMessage, Filter, Gap, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadablePage:
    """One page of parsed messages, the newest first if it was read backwards."""

    items: tuple[ReadableMessage, ...]
    complete: bool  #: there are no further messages in that order
    index: int | None  #: number of matches before the oldest message; None: not asked or costly
    count: int | None  #: number of all matches
    gaps: tuple[Gap, ...] = ()  #: that the page spans, the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The size of an archive, and its first and last message."""

    count: int
    bytes: int | None  #: None: not known, since only a part of the archive may be read
    first: ArchivedMessage | None
    last: ArchivedMessage | None


class ArchiveReader:
    """Reads archives for principals; `owner` is the bare JID of a user or a room.

    Every method sees all messages that were received before its call, and raises Forbidden,
    ItemNotFound, BadRequest and Overloaded. No read by an operator or the server goes unrecorded.
    """

    def __init__(
        self,
        authorizer: Authorizer,
        storage: Storage,
        queue: Queue,
        pager: Pager,
        followers: Followers,
        displayed: DisplayedMarkers | None = None,
        gaps: Gaps | None = None,
    ) -> None:
        """`queue` has the messages of users on their way to the writer: reads wait for them.

        `displayed` has the messages that users have displayed, beside those that they answered.
        Pages name those of the `gaps` that they span.
        """
        self._gaps = gaps
        self._authorizer = authorizer
        self._archive = storage.archive
        self._retention = storage.retention
        self._pager = pager
        self._views = Views(storage.archive)
        self._conversations = Conversations(storage.archive, queue, pager, self._views, displayed)
        self._streams = ArchiveStreams(storage.archive, queue, followers)

    def for_users(self, is_other: Callable[[str], bool] = lambda _: False) -> ArchiveReader:
        """Return a reader for users, also those of other servers, whom `is_other` knows."""
        reader = copy(self)
        reader._authorizer = self._authorizer.for_users(is_other)
        return reader

    async def page(self, principal: Principal, owner: str, query: PageQuery) -> Page:
        """Return one page, in the order of arrival.

        Raises NotImplementedHere and TakesTooLong as well.
        """
        since = await self._authorizer.authorize(principal, owner, query.action, query.described())
        if self._gaps is not None:
            await self._gaps.before_read(owner, query.filter)
        return await self._pager.read(owner, query, since=since)

    async def readable_page(
        self, principal: Principal, owner: str, query: PageQuery, *, folded: bool = False
    ) -> ReadablePage:
        """Return one page of parsed messages. Raises as `page` does."""
        page = await self.page(principal, owner, query)
        items = await self._views.of(owner, page.messages, folded=folded)
        return ReadablePage(
            items=items[::-1] if query.backwards else items,
            complete=page.complete,
            index=page.index,
            count=page.count,
            gaps=await self._spanned(owner, page, query),
        )

    async def newest(self, principal: Principal, owner: str, filter: Filter, limit: int) -> Page:
        """Return the newest messages in the order of their time. Raises TakesTooLong as well."""
        query = PageQuery(filter=filter)
        since = await self._authorizer.authorize(principal, owner, query.action, query.described())
        return await self._pager.newest(owner, filter, limit, since=since)

    async def in_context(
        self, principal: Principal, owner: str, rows: Sequence[ArchivedMessage], count: int
    ) -> tuple[Hit, ...]:
        """Return messages, folded, each with up to `count` before and behind it in its chat."""
        since = await self._authorizer.authorize(principal, owner, Action.READ, "context of hits")
        contexts = [
            await self._pager.around(
                owner, row.id, Filter(peer=row.peer, kinds=FOLDED_KINDS), count, since=since
            )
            for row in rows
        ]
        shown = {
            row.id: row
            for hit, (before, after) in zip(rows, contexts, strict=True)
            for row in (*before, hit, *after)
        }
        views = await self._views.of(owner, tuple(shown.values()), folded=True)
        by_id = dict(zip(shown, views, strict=True))
        return tuple(
            Hit(
                message=by_id[row.id],
                before=tuple(by_id[other.id] for other in before),
                after=tuple(by_id[other.id] for other in after),
            )
            for row, (before, after) in zip(rows, contexts, strict=True)
        )

    async def _spanned(self, owner: str, page: Page, query: PageQuery) -> tuple[Gap, ...]:
        """Return the gaps of a page in which messages of the archive may be missing."""
        gaps = () if self._gaps is None else self._gaps.unfilled_of(owner)
        if not gaps:
            return ()
        after, before = [await self._time_of(owner, id) for id in (query.after, query.before)]
        return spanned(gaps, page, query, after=after, before=before)

    async def _time_of(self, owner: str, id: str | None) -> int | None:
        """Return the time of a message, None without an id, or if the message was deleted."""
        if id is None:
            return None
        with suppress(NotFound):
            page = await self._archive.page(owner, Filter(ids=(id,)), limit=1)
            return next((message.at for message in page.messages), None)
        return None

    async def message(
        self, principal: Principal, owner: str, id: str, *, folded: bool
    ) -> ReadableMessage:
        """Return one message."""
        query = PageQuery(filter=Filter(ids=(id,)), limit=1)
        page = await self.readable_page(principal, owner, query, folded=folded)
        if not page.items:
            raise ItemNotFound
        return page.items[0]

    async def bounds(
        self, principal: Principal, owner: str
    ) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message, None: the archive is empty."""
        since = await self._authorizer.authorize(
            principal, owner, Action.READ, "first and last message"
        )
        return await self._pager.bounds(owner, since=since)

    async def summary(self, principal: Principal, owner: str) -> Summary:
        """Return the size of an archive, 0 for one of which nothing is stored."""
        since = await self._authorizer.authorize(principal, owner, Action.READ, "summary")
        first, last = await self._pager.bounds(owner, since=since) or (None, None)
        with translated():
            if await self._pager.has_earlier(owner, since):
                count, size = await self._archive.count(owner, Filter(since=since)), None
            else:
                usage = await self._retention.usage_of(owner)
                count, size = usage.messages, usage.bytes
        return Summary(count=count, bytes=size, first=first, last=last)

    async def conversations(
        self, principal: Principal, owner: str, query: ConversationQuery
    ) -> ConversationPage:
        """Return conversations, the one with the newest message first.

        Raises Forbidden also where only a part of the archive may be read: conversations count
        messages of all times.
        """
        since = await self._authorizer.authorize(
            principal, owner, Action.CONVERSATIONS, query.described()
        )
        if await self._pager.has_earlier(owner, since):
            raise Forbidden
        if self._gaps is not None:
            await self._gaps.before_read(owner, ANY)
        return await self._conversations.page(owner, query)

    async def stream(
        self, principal: Principal, owner: str, filter: Filter, after: str | None
    ) -> ArchiveStream:
        """Return a stream of the messages behind the id `after`, or behind FROM_START.

        With `after` None, return a stream of the messages that arrive after this call.
        """
        since = await self._authorizer.authorize(
            principal, owner, Action.STREAM, describe_filter(filter, after=after)
        )
        return await self._streams.open(owner, filter, after, since=since)
