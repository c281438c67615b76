"""Pass received bytes to the gate: not too many at a time, and not too few.

uvloop reads as long as a socket has bytes, and meanwhile neither queries nor the writer can run.
On the other hand, archive results come back to us as copies one by one, and waking up for each
takes longer than skipping it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from component.xmpp.queries.exchange import HINTS

#: The number of bytes that are read in one turn of the loop: about a millisecond of work.
SLICE = 32 * 1024

#: While more results than this are on their way back, several clients are reading pages. Then it
#: is worthwhile to let copies gather for a moment, because no client waits for all of it.
GATHER_ABOVE = 64
GATHER_SECONDS = 0.002

#: Each result contains this once.
_MARK = HINTS.encode()

#: Seconds after the last page from which on its results are not expected back any more.
RETURN_SECONDS = 1.0


class FairReader:
    """Reads one connection."""

    def __init__(
        self,
        transport: asyncio.ReadTransport,
        feed: Callable[[bytes], None],
        *,
        return_seconds: float = RETURN_SECONDS,
    ) -> None:
        """`feed` is called with each slice, in order."""
        self._return_seconds = return_seconds
        self._transport = transport
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._is_held = False
        self._is_scheduled = False  # `_read_on` is going to be called by the loop
        self._sent = self._returned = 0  # results in all
        self._copies = 1  # of a result that come back
        self._returning = 0  # copies of results that were sent and have not come back
        self._sent_at = 0.0
        self._has_returned = asyncio.Event()
        self._tail = b""  # of the last slice, shorter than a mark

    def note_sent(self, text: str) -> None:
        """Count the results in a text that was sent: each comes back as a copy, or as two."""
        results = text.count(HINTS)
        if results:
            self._sent += results
            self._returning = results * self._copies + (0 if self._is_overdue else self._returning)
            self._sent_at = self._loop.time()

    async def wait_returned(self) -> None:
        """Wait until the results that were sent have come back, or until they should have."""
        last = self._returned + self._returning
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._sent_at + self._return_seconds):
                while self._returned < last:
                    self._has_returned.clear()
                    await self._has_returned.wait()

    def hold(self, on: bool) -> None:
        """Stop reading, or continue."""
        self._is_held = on
        if on:
            self._transport.pause_reading()
        elif not self._is_scheduled:
            # In a later turn of the loop, because the caller is about to fill the queue again.
            self._is_scheduled = True
            self._loop.call_soon(self._read_on)

    def take(self, data: bytes) -> None:
        """Read bytes that were received, now or in later turns."""
        self._unread += data
        if not self._is_scheduled:
            self._read_on()

    @property
    def unread(self) -> bytes:
        """The bytes that were received and are not read."""
        return bytes(self._unread)

    def finish(self) -> None:
        """Read all received bytes at once, because the connection is lost."""
        while self._unread:
            self._read()

    def _read_on(self) -> None:
        self._is_scheduled = False
        pause = self._read() if self._unread and not self._is_held else 0.0
        if self._transport.is_closing() or self._is_held:
            return
        if self._unread or pause:
            self._is_scheduled = True
            self._transport.pause_reading()
            self._loop.call_later(pause, self._read_on)
        else:
            self._transport.resume_reading()

    def _read(self) -> float:
        """Read one slice. Return the number of seconds to let more bytes gather."""
        data = bytes(self._unread[:SLICE])
        # Unlike a slice of the rest, this copies nothing.
        del self._unread[:SLICE]
        self._feed(data)
        returned = data.count(_MARK) + self._count_split(data)
        self._returned += returned
        if returned:
            self._has_returned.set()
        if self._returned > self._sent:
            # ejabberd 23.10 and newer copy a result when it is sent, and when it is delivered.
            self._copies = 2
        self._returning = max(self._returning - returned, 0)
        should_gather = (
            returned and not self._unread and self._returning > GATHER_ABOVE * self._copies
        )
        return GATHER_SECONDS if should_gather and not self._is_overdue else 0.0

    def _count_split(self, data: bytes) -> int:
        """Return how many marks begin before this slice and end in it: 0 or 1."""
        edge = self._tail + data[: len(_MARK) - 1]
        self._tail = (self._tail + data[1 - len(_MARK) :])[1 - len(_MARK) :]
        return edge.count(_MARK)

    @property
    def _is_overdue(self) -> bool:
        """Return whether all sent results should have come back by now."""
        return self._loop.time() - self._sent_at > self._return_seconds
