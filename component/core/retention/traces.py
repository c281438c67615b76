"""Leaving no trace of what was taken away, where an operator has ordered it."""

from __future__ import annotations

from component.core.archiving.writer import Queue
from storage.interface import Keeping


async def remove_traces(keeping: Keeping, queue: Queue) -> None:
    """Remove what may be left of removed messages in the files. Raises StorageError.

    The store is written anew, which takes a while for a large one. Meanwhile messages wait to be
    written, and reads do not wait for them.
    """
    await keeping.clean()
    async with queue.standing():
        await keeping.rewrite()
