"""Every archive there is, and the conversations of one that a plan of retention is about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.retention.plan import Plan
from storage.errors import NotFound
from storage.interface import Archive, Retention
from storage.rows import Cutoff, Usage

#: Archives, or conversations of one, that are looked up at a time.
PAGE = 500


async def usage_pages(keeping: Retention) -> AsyncIterator[Sequence[Usage]]:
    """Yield what archives take up, page by page. Raises StorageError."""
    after = ""
    while page := await keeping.usage(after=after, limit=PAGE):
        yield page
        after = page[-1].owner


async def cuts(archive: Archive, owner: str, plan: Plan) -> AsyncIterator[tuple[str, Cutoff]]:
    """Yield the peers whose messages are cut, with their limits. Raises StorageError."""
    for peer, limits in plan.peers.items():
        yield peer, limits
    if plan.others == Cutoff():
        return
    async for peer in _peers(archive, owner):
        if peer not in plan.peers:
            yield peer, plan.others


async def _peers(archive: Archive, owner: str) -> AsyncIterator[str]:
    before = None
    while True:
        try:
            page = await archive.conversations(
                owner, limit=PAGE, before=before, max_bytes=PAGE_MAX_BYTES
            )
        except NotFound:
            # The message that the last page ended at was removed: the rest has its next turn.
            return
        for conversation in page.conversations:
            yield conversation.peer
        if page.complete:
            return
        before = page.conversations[-1].newest
