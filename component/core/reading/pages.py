"""Pages of archives (XEP-0059): a query for one, and the pager that reads it within bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from component.core.access import audit
from component.core.access.authorize import Action
from component.core.archiving.writer import Queue
from component.core.errors import BadRequest
from component.core.metrics import Metrics
from component.core.store_errors import translated
from storage.interface import Archive
from storage.rows import ANY, ArchivedMessage, Filter, Page

#: The default of the maximum number of bytes of XML on a page.
PAGE_MAX_BYTES = 1024 * 1024

#: Contexts that one answer shows at most.
CONTEXTS_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """The page that a query asks for."""

    filter: Filter = ANY
    limit: int | None = None  #: maximum number of messages; None: the default size of a page
    after: str | None = None  #: only messages behind this id
    before: str | None = None  #: only messages before this id
    backwards: bool = False  #: the last messages of the range instead of the first ones
    index: int | None = None  #: number of matching messages to skip; excludes the three above
    counted: bool = False  #: also return the number of all messages that match

    @property
    def action(self) -> Action:
        """The action of a principal that reads this page."""
        return Action.READ if self.filter.phrases is None else Action.SEARCH

    def described(self) -> str:
        """Return the query as text for the audit log. Raises BadRequest."""
        with translated():
            return audit.describe_filter(self.filter, after=self.after, before=self.before)


class Pager:
    """Reads archives for callers that are authorized already.

    Every read waits until the messages that were received before its call are written.
    """

    def __init__(
        self,
        archive: Archive,
        queue: Queue,
        *,
        default_size: int,
        max_size: int,
        max_bytes: int = PAGE_MAX_BYTES,
        metrics: Metrics | None = None,
        via: str = "http",
    ) -> None:
        """`default_size` and `max_size` are numbers of messages on a page.

        A page has at most `max_bytes` of XML too, unless its only message is larger. `via` names
        the interface for the metrics.
        """
        self._archive = archive
        self._metrics = metrics or Metrics()
        self._via = via
        self._queue = queue
        self._default_size = default_size
        self._max_size = max_size
        self.max_bytes = max_bytes  #: of XML on a page

    def size(self, limit: int | None) -> int:
        """Return the number of messages of a page for a limit; None: the default."""
        return self._default_size if limit is None else min(limit, self._max_size)

    async def read(self, owner: str, query: PageQuery, *, since: int = 0) -> Page:
        """Return one page, in the order of arrival, without messages from before `since`.

        `since` is in microseconds. Raises BadRequest, ItemNotFound, NotImplementedHere,
        TakesTooLong, Overloaded.
        """
        limit = self._limit(query)
        kind = "page" if query.filter.phrases is None else "search"
        with self._metrics.query(self._via, kind), translated():
            await self._queue.wait_readable(owner)
            return await self._archive.page(
                owner,
                await self._within(owner, query.filter, since),
                limit=limit,
                after=query.after,
                before=query.before,
                backwards=query.backwards,
                index=query.index,
                counted=query.counted,
                max_bytes=self.max_bytes,
            )

    async def newest(self, owner: str, filter: Filter, limit: int, *, since: int = 0) -> Page:
        """Return the newest messages in the order of their time, none from before `since`.

        Raises TakesTooLong, Overloaded.
        """
        kind = "page" if filter.phrases is None else "search"
        with self._metrics.query(self._via, kind), translated():
            await self._queue.wait_readable(owner)
            return await self._archive.page_by_time(
                owner,
                await self._within(owner, filter, since),
                limit=self.size(limit),
                newest=True,
                max_bytes=self.max_bytes,
            )

    async def around(
        self, owner: str, id: str, filter: Filter, count: int, *, since: int = 0
    ) -> tuple[tuple[ArchivedMessage, ...], tuple[ArchivedMessage, ...]]:
        """Return the messages of a filter before and behind a message, `count` at most of each.

        Raises ItemNotFound, Overloaded.
        """
        with translated():
            filter = await self._within(owner, filter, since)
            # A context takes a small part of an answer, however long its messages are.
            size = self.max_bytes // CONTEXTS_MAX
            before = await self._archive.page(
                owner, filter, limit=count, before=id, backwards=True, max_bytes=size
            )
            after = await self._archive.page(owner, filter, limit=count, after=id, max_bytes=size)
        return before.messages, after.messages

    async def bounds(
        self, owner: str, *, since: int = 0
    ) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message that are not from before `since` (microseconds).

        None: there are no messages. Raises Overloaded.
        """
        await self._queue.wait_readable(owner)
        with translated():
            filter = await self._within(owner, ANY, since)
            if filter == ANY:
                return await self._archive.first_and_last(owner)
            first = await self._archive.page(owner, filter, limit=1)
            last = await self._archive.page(owner, filter, limit=1, backwards=True)
        return (first.messages[0], last.messages[0]) if first.messages else None

    async def has_earlier(self, owner: str, since: int) -> bool:
        """Return whether an archive has messages from before a time. Raises Overloaded."""
        if not since:
            return False
        with translated():
            bounds = await self._archive.first_and_last(owner)
        return bounds is not None and bounds[0].at < since

    async def _within(self, owner: str, filter: Filter, since: int) -> Filter:
        """Return a filter without the messages from before a time."""
        # Mostly there are none, and counting is cheaper without a time.
        if await self.has_earlier(owner, since):
            return replace(filter, since=max(since, filter.since or 0))
        return filter

    def _limit(self, query: PageQuery) -> int:
        limit = self.size(query.limit)
        if limit < 0:
            raise BadRequest("max is a number of messages, 0 or more")
        if query.index is not None:
            if query.index < 0:
                raise BadRequest("index is a place in the result set, 0 or more")
            if query.after is not None or query.before is not None or query.backwards:
                raise BadRequest("a page is found by index, or by before and after")
        return limit
