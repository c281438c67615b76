"""Back-pressure: the bytes of messages that wait in memory for the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from sys import getsizeof

from storage.rows import NewMessage

log = logging.getLogger(__name__)

#: Default of the configuration, too; bytes.
CAPACITY = 8 * 1024 * 1024

#: The approximate memory that a message takes beside its texts, in bytes.
WORK_BYTES = 2048


class Backpressure:
    """Counts the messages that wait for the writer or for a roster."""

    def __init__(
        self, capacity: int = CAPACITY, on_change: Callable[[bool], None] = lambda _: None
    ) -> None:
        """`on_change` gets True when `capacity` bytes wait, False when half of it is free."""
        self.capacity = capacity
        self._on_change = on_change
        self.bytes = 0
        self.is_high = False

    def add(self, work: Iterable[NewMessage]) -> None:
        """Count messages that begin to wait."""
        self.bytes += size_of(work)
        if not self.is_high and self.bytes >= self.capacity:
            self.is_high = True
            log.warning("%d bytes wait to be written: Muniment stops reading", self.bytes)
            self._on_change(True)

    def remove(self, work: Iterable[NewMessage]) -> None:
        """Stop counting messages."""
        self.bytes -= size_of(work)
        if self.is_high and self.bytes <= self.capacity // 2:
            self.is_high = False
            log.warning("the queue has room again: Muniment continues reading")
            self._on_change(False)


def size_of(work: Iterable[NewMessage]) -> int:
    """Return the approximate number of bytes of memory that messages take."""
    size = 0
    for message in work:
        size += WORK_BYTES + getsizeof(message.xml) + getsizeof(message.text)
    return size
