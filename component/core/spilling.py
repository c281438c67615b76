"""What the store does not take at the end of the program, kept until the next start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from component.core.errors import Overloaded
from component.core.tombstones import with_retractions
from component.core.writer import Queue
from storage.errors import StorageError
from storage.rows import Work
from storage.spill import Spill, Spilled

log = logging.getLogger(__name__)


class Lost(Exception):
    """Messages are neither in the store nor beside it."""


async def take_up(spill: Spill, queue: Queue) -> Spilled:
    """Queue what was kept at the last end, and return it. Raises StorageError.

    It may not have been decided yet whether its owners want it, so `queue` asks.
    """
    kept = await asyncio.to_thread(spill.read)
    if kept.damaged:
        log.error("%d rows of %s are damaged and left out", kept.damaged, spill.path)
    if kept.work:
        log.warning("%d rows of %s are written now", len(kept.work), spill.path)
        queue.put(with_retractions(kept.work))
    return kept


async def clear(spill: Spill, kept: Spilled, queue: Queue) -> None:
    """Remove what was kept once it is durable, and keep room for the next time.

    What the store has already it leaves out, so this may be broken off at any time.
    """
    try:
        await queue.settled()
        await asyncio.to_thread(spill.remove, is_damaged=kept.damaged > 0)
        await asyncio.to_thread(spill.keep_room)
    except Overloaded:
        return  # It is kept anew, with all that came since.
    except StorageError as error:
        log.warning("on a full disk messages may be lost at the end: %s", error)


async def keep(spill: Spill | None, left: Sequence[Work]) -> None:
    """Keep what is left until the next start. Raises Lost where that cannot be done."""
    if spill is None:
        raise Lost(f"{len(left)} rows are lost: the store is in memory")
    try:
        await asyncio.to_thread(spill.write, left)
    except StorageError as error:
        raise Lost(f"{len(left)} rows are lost: {error}") from error
    log.warning("%d rows are kept in %s until the next start", len(left), spill.path)
