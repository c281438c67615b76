"""Reading archives of others, as operators do: all that is asked, and written down before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from component.core.audit import Audit
from component.core.authorship import marks
from component.core.contents import Message
from component.core.folding import Folded, fold, is_correction
from component.core.pages import Pages, Query
from component.core.refusals import refusals
from storage.interface import Archive, Keeping
from storage.rows import Filter, Kind, Stored

#: What the folded view shows; all else is shown as a part of these.
SHOWN = frozenset({Kind.MESSAGE, Kind.TOMBSTONE})

#: How often corrections of corrections are looked for.
_CORRECTED_AGAIN = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One message; what has become of it in the folded view."""

    message: Message
    folded: Folded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One page, the newest first where it was read backwards."""

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

    def __init__(self, pages: Pages, archive: Archive, keeping: Keeping, audit: Audit) -> None:
        self._pages = pages
        self._archive = archive
        self._keeping = keeping
        self._audit = audit

    async def summary(self, actor: str, owner: str) -> Summary:
        """Return what there is of an archive; of one that nobody knows nothing."""
        await self._audit.note(actor, "read", owner, "what there is")
        first, last = await self._pages.bounds(owner) or (None, None)
        with refusals():
            usage = await self._keeping.usage_of(owner)
        return Summary(count=usage.messages, bytes=usage.bytes, first=first, last=last)

    async def page(self, actor: str, owner: str, query: Query, *, folded: bool = False) -> Answer:
        """Return one page. Raises ItemNotFound when an id is not in this archive."""
        await self._audit.note(actor, query.action, owner, query.described())
        page = await self._pages.read(owner, query)
        items = await self.items(owner, page.messages, folded=folded)
        return Answer(
            items=items[::-1] if query.backwards else items,
            complete=page.complete,
            index=page.index,
            count=page.count,
        )

    async def message(self, actor: str, owner: str, id: str, *, folded: bool) -> Item:
        """Return one message. Raises ItemNotFound."""
        one = Query(wanted=Filter(ids=(id,)), limit=1)
        return (await self.page(actor, owner, one, folded=folded)).items[0]

    async def items(self, owner: str, rows: Sequence[Stored], *, folded: bool) -> tuple[Item, ...]:
        """Return rows as they are shown. Raises Overloaded."""
        messages = [Message.of(row) for row in rows]
        if not folded:
            return tuple(map(Item, messages))
        with refusals():
            annotations = await self._annotations(owner, messages)
        return tuple(map(Item, messages, fold(owner, messages, annotations)))

    async def _annotations(self, owner: str, messages: Sequence[Message]) -> list[Message]:
        """Return what is about these messages, and about their corrections, in arrival order."""
        names = dict.fromkeys(name for message in messages for name in marks(message))
        found: list[Message] = []
        for _ in range(_CORRECTED_AGAIN):
            # All at once: what corrects a correction may come before what corrects the message.
            found = [Message.of(row) for row in await self._archive.about(owner, list(names))]
            known = len(names)
            corrections = filter(is_correction, found)
            names |= dict.fromkeys(name for one in corrections for name in marks(one))
            if len(names) == known:
                break
        return found
