"""Reading archives of others, as operators do: all that is asked, and written down before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from component.core.audit import Audit, described, reading
from component.core.authorship import marks
from component.core.contents import Message
from component.core.folding import Folded, fold, is_correction
from component.core.refusals import refusals
from component.core.writer import Queue
from storage.interface import Archive, Keeping
from storage.rows import ANY, Filter, Kind, Stored

#: What the folded view shows; all else is shown as a part of these.
SHOWN = frozenset({Kind.MESSAGE, Kind.TOMBSTONE})

#: How often corrections of corrections are looked for.
_CORRECTED_AGAIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which part of an archive is wanted, and how it is to be shown."""

    wanted: Filter = ANY
    limit: int | None = None  #: None: as many as is usual here
    after: str | None = None  #: only messages behind this id
    before: str | None = None  #: only messages before this id
    newest_first: bool = False
    folded: bool = False
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One message; what has become of it in the folded view."""

    message: Message
    folded: Folded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One page, in the order that was asked for."""

    items: tuple[Item, ...]
    complete: bool  #: nothing more in that order
    index: int | None  #: how many match before the oldest of the page; None: not asked or costly
    count: int | None  #: how many match in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What there is of one archive."""

    count: int
    bytes: int
    first: Stored | None
    last: Stored | None


class Reading:
    """All archives, for whoever was let in."""

    def __init__(
        self,
        archive: Archive,
        keeping: Keeping,
        queue: Queue,
        audit: Audit,
        *,
        page_default: int,
        page_max: int,
    ) -> None:
        self._archive = archive
        self._keeping = keeping
        self._queue = queue
        self._audit = audit
        self._page_default = page_default
        self._page_max = page_max

    def page_size(self, limit: int | None) -> int:
        """Return how many items a page gets where that many are asked for."""
        return self._page_default if limit is None else min(limit, self._page_max)

    async def summary(self, actor: str, owner: str) -> Summary:
        """Return what there is of an archive; of one that nobody knows nothing."""
        await self._audit.note(actor, "read", owner, "what there is")
        with refusals():
            await self._queue.settled()
            usage = await self._keeping.usage_of(owner)
            bounds = await self._archive.bounds(owner)
        first, last = bounds or (None, None)
        return Summary(count=usage.messages, bytes=usage.bytes, first=first, last=last)

    async def page(self, actor: str, owner: str, query: Query) -> Answer:
        """Return one page. Raises ItemNotFound when an id is not in this archive."""
        with refusals():
            asked = described(query.wanted, after=query.after, before=query.before)
        await self._audit.note(actor, reading(query.wanted), owner, asked)
        with refusals():
            await self._queue.settled()
            page = await self._archive.page(
                owner,
                query.wanted,
                limit=self.page_size(query.limit),
                after=query.after,
                before=query.before,
                backwards=query.newest_first,
                counted=query.counted,
            )
            items = await self.items(owner, page.messages, folded=query.folded)
        return Answer(
            items=items[::-1] if query.newest_first else items,
            complete=page.complete,
            index=page.index,
            count=page.count,
        )

    async def message(self, actor: str, owner: str, id: str, *, folded: bool) -> Item:
        """Return one message. Raises ItemNotFound."""
        one = Query(wanted=Filter(ids=(id,)), limit=1, folded=folded)
        return (await self.page(actor, owner, one)).items[0]

    async def items(self, owner: str, rows: Sequence[Stored], *, folded: bool) -> tuple[Item, ...]:
        """Return rows as they are shown. Raises StorageError."""
        messages = [Message.of(row) for row in rows]
        if not folded:
            return tuple(map(Item, messages))
        annotations = await self._annotations(owner, messages)
        return tuple(map(Item, messages, fold(owner, messages, annotations)))

    async def _annotations(self, owner: str, messages: Sequence[Message]) -> list[Message]:
        """Return what is about these messages, and about their corrections."""
        found: dict[str, Message] = {}
        fresh: Sequence[Message] = messages
        for _ in range(_CORRECTED_AGAIN):
            names = list(dict.fromkeys(mark for message in fresh for mark in marks(message)))
            if not names:
                break
            rows = await self._archive.about(owner, names)
            read = [Message.of(row) for row in rows if row.id not in found]
            found |= {message.stored.id: message for message in read}
            fresh = [message for message in read if is_correction(message)]
        return list(found.values())
