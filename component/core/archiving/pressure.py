"""How much waits in memory for the store, in bytes, wherever it waits."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable

from storage.rows import NewMessage

log = logging.getLogger(__name__)

#: Where nothing is configured, and in the configuration.
CAPACITY = 64 * 1024 * 1024

#: What any piece of work takes beside its texts: about that much of small objects.
WORK_BYTES = 2048


class Backpressure:
    """Counts what waits, and tells whoever hands over more when it is too much.

    All that waits is counted here: what waits for the writer, and what waits for a roster before.
    """

    def __init__(
        self, capacity: int = CAPACITY, on_change: Callable[[bool], None] = lambda _: None
    ) -> None:
        """`on_change` hears True when `capacity` bytes wait, False when half of it is free."""
        self.capacity = capacity
        self._on_change = on_change
        self.bytes = 0
        self.is_high = False

    def add(self, work: Iterable[NewMessage]) -> None:
        """Count work that begins to wait."""
        self.bytes += size_of(work)
        if not self.is_high and self.bytes >= self.capacity:
            self.is_high = True
            log.warning("%d bytes wait to be written: the server is read no further", self.bytes)
            self._on_change(True)

    def remove(self, work: Iterable[NewMessage]) -> None:
        """Count work no longer."""
        self.bytes -= size_of(work)
        if self.is_high and self.bytes <= self.capacity // 2:
            self.is_high = False
            log.warning("there is room again: the server is read")
            self._on_change(False)


def size_of(work: Iterable[NewMessage]) -> int:
    """Return about how many bytes of memory work takes."""
    return sum(WORK_BYTES + sys.getsizeof(one.xml) + sys.getsizeof(one.text) for one in work)
