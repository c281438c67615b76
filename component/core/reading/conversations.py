"""Whom somebody has messages with, and how many of them are unread."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.access.audit import Audit, in_words
from component.core.archiving.writer import Queue
from component.core.reading.operator_reads import Item, Reading
from component.core.reading.pages import Pages
from component.core.store_errors import refusals
from component.core.xml.times import format_time
from storage.interface import Archive
from storage.rows import Conversation, Direction, Filter, Kind, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which conversations of an archive are wanted."""

    limit: int | None = None  #: None: as many as is usual here
    before: str | None = None  #: only those whose newest message came before this id
    #: from where messages count as unread: an id or a time, exclusive; None: as the owner has read
    since: str | int | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One conversation."""

    conversation: Conversation
    last: Item
    unread: int


class Conversations:
    """The conversations of all archives, for whoever was let in."""

    def __init__(
        self, archive: Archive, queue: Queue, audit: Audit, pages: Pages, reading: Reading
    ) -> None:
        self._archive = archive
        self._queue = queue
        self._audit = audit
        self._pages = pages
        self._reading = reading

    async def page(self, actor: str, owner: str, query: Query) -> tuple[tuple[Listed, ...], bool]:
        """Return some, the one with the newest message first, and whether these are the last.

        Raises ItemNotFound when an id is not in this archive.
        """
        await self._audit.note(actor, "conversations", owner, _described(query))
        limit = self._pages.size(query.limit)
        with refusals():
            await self._queue.readable(owner)
            since, surplus = await self._since(owner, query.since)
            found = await self._archive.conversations(
                owner,
                limit=limit,
                before=query.before,
                since=since,
                max_bytes=self._pages.max_bytes,
            )
        rows = [conversation.last for conversation in found.listed]
        items = await self._reading.items(owner, rows, folded=query.folded)
        listed = tuple(
            Listed(conversation=c, last=item, unread=c.unread + (c.peer == surplus))
            for c, item in zip(found.listed, items, strict=True)
        )
        return listed, found.complete

    async def _since(self, owner: str, since: str | int | None) -> tuple[str | None, str | None]:
        """Return behind which id messages are unread, and whose one more is."""
        if not isinstance(since, int):
            return since, None
        past = await self._archive.page(owner, Filter(until=since), limit=1, backwards=True)
        if past.messages:
            return past.messages[0].id, None
        bounds = await self._archive.bounds(owner)
        if bounds is None:
            return None, None
        # All there is came later, the first message too.
        first = bounds[0]
        return first.id, first.peer if _is_readable(first) else None


def _is_readable(row: Stored) -> bool:
    return row.direction is Direction.RECEIVED and row.kind is Kind.MESSAGE


def _described(query: Query) -> str:
    since = format_time(query.since) if isinstance(query.since, int) else query.since
    return in_words({"before": query.before, "unread since": since})
