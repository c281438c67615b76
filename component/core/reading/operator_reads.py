"""Reading archives of others, as operators do: all that is asked, and written down before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from component.core.access.audit import Audit
from component.core.messages.payloads import Message
from component.core.reading.folding import Folded, Folding
from component.core.reading.pages import PageQuery, Pager
from component.core.store_errors import translated
from storage.interface import Archive, Retention
from storage.rows import ArchivedMessage, Filter, Kind, References

#: What the folded view shows; all else is shown as a part of these.
SHOWN = frozenset({Kind.MESSAGE, Kind.TOMBSTONE})

#: How many messages about one are looked at, and about all of a page, each having its share:
#: that many corrections and retractions, and as many reactions, receipts and markers.
ABOUT_ONE_MAX = 1000
ABOUT_PAGE_MAX = 10_000

#: How many bytes of XML those about all of a page may have, each message having its share.
ABOUT_PAGE_BYTES_MAX = 8 * 1024 * 1024

#: How many messages are read before others have their turn: some milliseconds.
_READ_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class ReadableMessage:
    """One message; what has become of it in the folded view."""

    message: Message
    folded: Folded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadablePage:
    """One page, the newest first where it was read backwards."""

    items: tuple[ReadableMessage, ...]
    complete: bool  #: nothing more in that order
    index: int | None  #: how many match before the oldest of the page; None: not asked or costly
    count: int | None  #: how many match in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What there is of one archive."""

    count: int
    bytes: int
    first: ArchivedMessage | None
    last: ArchivedMessage | None


class Reading:
    """All archives, for whoever was let in."""

    def __init__(self, pages: Pager, archive: Archive, keeping: Retention, audit: Audit) -> None:
        self._pages = pages
        self._archive = archive
        self._keeping = keeping
        self._audit = audit

    async def summary(self, actor: str, owner: str) -> Summary:
        """Return what there is of an archive; of one that nobody knows nothing."""
        await self._audit.record(actor, "read", owner, "what there is")
        first, last = await self._pages.bounds(owner) or (None, None)
        with translated():
            usage = await self._keeping.usage_of(owner)
        return Summary(count=usage.messages, bytes=usage.bytes, first=first, last=last)

    async def page(
        self, actor: str, owner: str, query: PageQuery, *, folded: bool = False
    ) -> ReadablePage:
        """Return one page. Raises ItemNotFound when an id is not in this archive."""
        await self._audit.record(actor, query.action, owner, query.described())
        page = await self._pages.read(owner, query)
        items = await self.items(owner, page.messages, folded=folded)
        return ReadablePage(
            items=items[::-1] if query.backwards else items,
            complete=page.complete,
            index=page.index,
            count=page.count,
        )

    async def message(self, actor: str, owner: str, id: str, *, folded: bool) -> ReadableMessage:
        """Return one message. Raises ItemNotFound."""
        one = PageQuery(wanted=Filter(ids=(id,)), limit=1)
        return (await self.page(actor, owner, one, folded=folded)).items[0]

    async def items(
        self, owner: str, rows: Sequence[ArchivedMessage], *, folded: bool
    ) -> tuple[ReadableMessage, ...]:
        """Return rows as they are shown. Raises Overloaded."""
        messages = [one async for some in _read(rows) for one in some]
        if not folded or not messages:
            return tuple(map(ReadableMessage, messages))
        limit = min(ABOUT_ONE_MAX, ABOUT_PAGE_MAX // len(rows))
        share = ABOUT_PAGE_BYTES_MAX // len(rows)
        with translated():
            about = await self._archive.references(
                owner, [row.id for row in rows], limit=limit, max_bytes=share
            )
        nothing = References()
        return tuple(
            [
                ReadableMessage(one, await _folded(owner, one, about.get(one.stored.id, nothing)))
                for one in messages
            ]
        )


async def _folded(owner: str, message: Message, about: References) -> Folded:
    folding = Folding(owner, message)
    async for some in _read(about.messages):
        folding.add(some)
    return folding.folded(about.left_out)


async def _read(rows: Sequence[ArchivedMessage]) -> AsyncIterator[list[Message]]:
    """Read messages, some at a time, letting others have their turn in between."""
    for start in range(0, len(rows), _READ_AT_ONCE):
        yield [Message.of(row) for row in rows[start : start + _READ_AT_ONCE]]
        await asyncio.sleep(0)
