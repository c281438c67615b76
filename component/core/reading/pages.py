"""Pages of archives: which one is wanted, and how much of it is given. XEP-0059."""

from __future__ import annotations

from dataclasses import dataclass, replace

from component.core.access import audit
from component.core.access.authorize import Action
from component.core.archiving.writer import Queue
from component.core.errors import BadRequest
from component.core.store_errors import translated
from storage.interface import Archive
from storage.rows import ANY, ArchivedMessage, Filter, Page

#: How many bytes of XML are read at once, where it is not configured.
PAGE_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which part of an archive is wanted."""

    wanted: Filter = ANY
    limit: int | None = None  #: how many messages at most; None: as many as is usual here
    after: str | None = None  #: only messages behind this id
    before: str | None = None  #: only messages before this id
    backwards: bool = False  #: the last of them rather than the first
    index: int | None = None  #: skip so many of all that match; not together with the three above
    counted: bool = False  #: say how many match in all

    @property
    def action(self) -> Action:
        """What a principal does who reads this page."""
        return Action.READ if self.wanted.phrases is None else Action.SEARCH

    def described(self) -> str:
        """Return the query as the audit log has it. Raises BadRequest."""
        with translated():
            return audit.describe_filter(self.wanted, after=self.after, before=self.before)


class Pager:
    """Reads archives, for those who were let in: all that was taken before a call is seen."""

    def __init__(
        self,
        archive: Archive,
        queue: Queue,
        *,
        usual: int,
        most: int,
        max_bytes: int = PAGE_MAX_BYTES,
    ) -> None:
        """`usual` is how many messages a page has where nobody says, `most` at any rate.

        Beyond `max_bytes` of XML it has one message only.
        """
        self._archive = archive
        self._queue = queue
        self._usual = usual
        self._most = most
        self.max_bytes = max_bytes  #: of XML on a page

    def size(self, limit: int | None) -> int:
        """Return how much a page gets where that much is asked for."""
        return self._usual if limit is None else min(limit, self._most)

    async def read(self, owner: str, query: PageQuery, *, since: int = 0) -> Page:
        """Return one page, in the order of arrival, of nothing from before a time.

        Raises BadRequest, ItemNotFound, NotImplementedHere, TakesTooLong, Overloaded.
        """
        limit = self._limit(query)
        await self._queue.readable(owner)
        with translated():
            return await self._archive.page(
                owner,
                await self._within(owner, query.wanted, since),
                limit=limit,
                after=query.after,
                before=query.before,
                backwards=query.backwards,
                index=query.index,
                counted=query.counted,
                max_bytes=self.max_bytes,
            )

    async def bounds(
        self, owner: str, *, since: int = 0
    ) -> tuple[ArchivedMessage, ArchivedMessage] | None:
        """Return the first and the last message from a time on, None without any.

        Raises Overloaded.
        """
        await self._queue.readable(owner)
        with translated():
            wanted = await self._within(owner, ANY, since)
            if wanted == ANY:
                return await self._archive.first_and_last(owner)
            first = await self._archive.page(owner, wanted, limit=1)
            last = await self._archive.page(owner, wanted, limit=1, backwards=True)
        return (first.messages[0], last.messages[0]) if first.messages else None

    async def has_earlier(self, owner: str, since: int) -> bool:
        """Return whether an archive has messages from before a time. Raises Overloaded."""
        if not since:
            return False
        with translated():
            bounds = await self._archive.first_and_last(owner)
        return bounds is not None and bounds[0].at < since

    async def _within(self, owner: str, wanted: Filter, since: int) -> Filter:
        """Return a filter without the messages from before a time."""
        # Mostly there are none, and counting is cheaper without a time.
        if await self.has_earlier(owner, since):
            return replace(wanted, since=max(since, wanted.since or 0))
        return wanted

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
