"""Leaving no trace of what was taken away, where an operator has ordered it."""

from __future__ import annotations

from component.core.archiving.writer import Queue
from storage.interface import Retention


async def remove_traces(keeping: Retention, queue: Queue) -> None:
    """Remove what may be left of removed messages in the files. Raises StorageError.

    The store is written anew, which takes a while for a large one. Meanwhile messages wait to be
    written, and reads do not wait for them.
    """
    await keeping.scrub_index()
    async with queue.paused():
        await keeping.scrub_files()
