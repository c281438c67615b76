"""Whom somebody has messages with, and how many of them are unread."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.access.audit import Audit, describe_fields
from component.core.archiving.writer import Queue
from component.core.reading.operator_reads import ReadableMessage, Reading
from component.core.reading.pages import Pager
from component.core.store_errors import translated
from component.core.xml.times import format_time
from storage.interface import Archive
from storage.rows import ArchivedMessage, Conversation, Direction, Filter, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationQuery:
    """Which conversations of an archive are wanted."""

    limit: int | None = None  #: None: as many as is usual here
    before: str | None = None  #: only those whose newest message came before this id
    #: from where messages count as unread: an id or a time, exclusive; None: as the owner has read
    since: str | int | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSummary:
    """One conversation."""

    conversation: Conversation
    last: ReadableMessage
    unread: int


class Conversations:
    """The conversations of all archives, for whoever was let in."""

    def __init__(
        self, archive: Archive, queue: Queue, audit: Audit, pages: Pager, reading: Reading
    ) -> None:
        self._archive = archive
        self._queue = queue
        self._audit = audit
        self._pages = pages
        self._reading = reading

    async def page(
        self, actor: str, owner: str, query: ConversationQuery
    ) -> tuple[tuple[ConversationSummary, ...], bool]:
        """Return some, the one with the newest message first, and whether these are the last.

        Raises ItemNotFound when an id is not in this archive.
        """
        await self._audit.record(actor, "conversations", owner, _described(query))
        limit = self._pages.size(query.limit)
        with translated():
            await self._queue.readable(owner)
            since, surplus = await self._since(owner, query.since)
            found = await self._archive.conversations(
                owner,
                limit=limit,
                before=query.before,
                since=since,
                max_bytes=self._pages.max_bytes,
            )
        rows = [conversation.last for conversation in found.conversations]
        items = await self._reading.items(owner, rows, folded=query.folded)
        listed = tuple(
            ConversationSummary(conversation=c, last=item, unread=c.unread + (c.peer == surplus))
            for c, item in zip(found.conversations, items, strict=True)
        )
        return listed, found.complete

    async def _since(self, owner: str, since: str | int | None) -> tuple[str | None, str | None]:
        """Return behind which id messages are unread, and whose one more is."""
        if not isinstance(since, int):
            return since, None
        past = await self._archive.page(owner, Filter(until=since), limit=1, backwards=True)
        if past.messages:
            return past.messages[0].id, None
        bounds = await self._archive.first_and_last(owner)
        if bounds is None:
            return None, None
        # All there is came later, the first message too.
        first = bounds[0]
        return first.id, first.peer if _is_readable(first) else None


def _is_readable(row: ArchivedMessage) -> bool:
    return row.direction is Direction.RECEIVED and row.kind is Kind.MESSAGE


def _described(query: ConversationQuery) -> str:
    since = format_time(query.since) if isinstance(query.since, int) else query.since
    return describe_fields({"before": query.before, "unread since": since})
