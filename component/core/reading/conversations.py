"""Conversations of an archive: each peer of its owner, and the number of unread messages."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.access.audit import describe_fields
from component.core.archiving.writer import Queue
from component.core.reading.displayed import DisplayedMarkers
from component.core.reading.pages import Pager
from component.core.reading.views import ReadableMessage, Views
from component.core.store_errors import translated
from component.core.xml.times import format_time
from storage.interface import Archive
from storage.rows import ArchivedMessage, Conversation, Direction, Filter, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationQuery:
    """The conversations of an archive that a request selects."""

    limit: int | None = None  #: None: the default size of a page
    before: str | None = None  #: only those whose newest message came before this id
    #: messages behind this id or time count as unread; None: behind the owner's read mark
    since: str | int | None = None
    folded: bool = False
    peer: str | None = None  #: only the conversation with this bare JID

    def described(self) -> str:
        """Return the query as the audit log has it."""
        since = format_time(self.since) if isinstance(self.since, int) else self.since
        return describe_fields({"with": self.peer, "before": self.before, "unread since": since})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSummary:
    """One conversation."""

    conversation: Conversation
    last: ReadableMessage
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationPage:
    """Conversations, the one with the newest message first."""

    conversations: tuple[ConversationSummary, ...]
    complete: bool  #: there are no older conversations


class Conversations:
    """Reads the conversations of archives, for callers that are authorized already."""

    def __init__(
        self,
        archive: Archive,
        queue: Queue,
        pager: Pager,
        views: Views,
        displayed: DisplayedMarkers | None = None,
    ) -> None:
        """Without `displayed` only the owner's messages move the read marks of conversations."""
        self._archive = archive
        self._displayed = displayed
        self._queue = queue
        self._pager = pager
        self._views = views

    async def page(self, owner: str, query: ConversationQuery) -> ConversationPage:
        """Return one page. Raises ItemNotFound for an id that is not in this archive."""
        with translated():
            await self._queue.wait_readable(owner)
            if self._displayed is not None and query.since is None:
                await self._displayed.refresh(owner)
            since, uncounted = await self._since(owner, query.since)
            page = await self._archive.conversations(
                owner,
                limit=self._pager.size(query.limit),
                before=query.before,
                since=since,
                peers=None if query.peer is None else (query.peer,),
                max_bytes=self._pager.max_bytes,
            )
        rows = [conversation.last for conversation in page.conversations]
        views = await self._views.of(owner, rows, folded=query.folded)
        return ConversationPage(
            conversations=tuple(
                ConversationSummary(
                    conversation=conversation,
                    last=last,
                    unread=conversation.unread + (conversation.peer == uncounted),
                )
                for conversation, last in zip(page.conversations, views, strict=True)
            ),
            complete=page.complete,
        )

    async def _since(self, owner: str, since: str | int | None) -> tuple[str | None, str | None]:
        """Return the id behind which messages are unread, and the peer with one more unread.

        The store counts messages behind an id. If all messages are from after a time, the first
        one is unread too, but it is not behind its own id.
        """
        if not isinstance(since, int):
            return since, None
        page = await self._archive.page(owner, Filter(until=since), limit=1, backwards=True)
        if page.messages:
            return page.messages[0].id, None
        bounds = await self._archive.first_and_last(owner)
        if bounds is None:
            return None, None
        first = bounds[0]
        return first.id, first.peer if _can_be_unread(first) else None


def _can_be_unread(row: ArchivedMessage) -> bool:
    return row.direction is Direction.RECEIVED and row.kind is Kind.MESSAGE
