"""What operators do with archives beside reading them, and what goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from component.core.erasure import Erasure
from component.core.export import Export
from component.core.holds import Holds
from component.core.janitor import Janitor, Timing
from component.core.live import Live
from component.core.refusals import refusals
from component.core.retention import Usual
from component.core.rules import Rules
from component.core.writer import Queue
from storage.interface import Keeping, Storage, Totals
from storage.rows import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """The parts that take away, keep back and write out."""

    keeping: Keeping
    usual: Usual
    rules: Rules
    holds: Holds
    erasure: Erasure
    export: Export
    janitor: Janitor
    live: Live

    async def usage(self, domain: str | None, after: str, limit: int) -> tuple[Usage, ...]:
        """Return what archives take up, by owner, behind `after`.

        Raises BadRequest, Overloaded.
        """
        with refusals():
            return await self.keeping.usage(domain=domain, after=after, limit=limit)

    async def usage_of(self, owner: str) -> Usage:
        """Return what one archive takes up; nothing where there is none. Raises Overloaded."""
        with refusals():
            return await self.keeping.usage_of(owner)

    async def totals(self) -> Totals:
        """Return what all archives take up together. Raises Overloaded."""
        with refusals():
            return await self.keeping.totals()


@asynccontextmanager
async def administering(
    storage: Storage,
    writer: Queue,
    holds: Holds,
    usual: Usual,
    timing: Timing,
    *,
    live: Live,
    on_erased: Sequence[Callable[[str], None]] = (),
) -> AsyncIterator[Administration]:
    """Lend the parts, with the janitor at work; what is under way at the end is broken off.

    `on_erased` hear of each owner that is to be forgotten. Raises StorageError.
    """
    rules = Rules(storage.records)
    await rules.load()
    erasure = Erasure(
        storage.keeping,
        writer,
        holds,
        batch=timing.batch,
        live=live,
        on_erased=(rules.forget, *on_erased),
    )
    janitor = Janitor(storage, rules, holds, usual, timing)
    working = asyncio.create_task(janitor.run())
    try:
        yield Administration(
            keeping=storage.keeping,
            usual=usual,
            rules=rules,
            holds=holds,
            erasure=erasure,
            export=Export(storage, writer, live),
            janitor=janitor,
            live=live,
        )
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await erasure.close()
