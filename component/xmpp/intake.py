"""What was received, on its way to the gate: not too much of it at a time, nor too little.

uvloop reads on while there is more in a socket, and so would let nobody else have a turn, neither
those who ask nor the writer. And where the results of several pages come back to us one by one, as
copies, it takes longer to wake up for each than to pass it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from component.xmpp.exchange import HINTS

#: How many bytes are read in one turn: about a millisecond of work.
SLICE = 32 * 1024

#: Where more results come back than there are on a page, clients wait for other pages by now, and
#: nothing is lost when we wait for more to read.
FEW = 64
PAUSE_SECONDS = 0.002

#: What has not come back so long after the last page never will.
FORGOTTEN_SECONDS = 1.0


class Intake:
    """Reads one connection."""

    def __init__(self, transport: asyncio.ReadTransport, feed: Callable[[bytes], None]) -> None:
        self._transport = transport
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._is_held = False
        self._is_due = False  # to read on in another turn
        self._coming_back = 0
        self._sent_at = 0.0

    def sent(self, text: str) -> None:
        """Note what was sent: each result in it will come back."""
        results, now = text.count(HINTS), self._loop.time()
        if results:
            is_new = now - self._sent_at > FORGOTTEN_SECONDS
            self._coming_back = results if is_new else self._coming_back + results
            self._sent_at = now

    def hold(self, on: bool) -> None:
        """Stop reading, or go on."""
        self._is_held = on
        if on:
            self._transport.pause_reading()
        elif not self._is_due:
            self._read_on()

    def take(self, data: bytes) -> None:
        """Read what was received."""
        self._rest += data
        if not self._is_due:
            self._read_on()

    def finish(self) -> None:
        """Read the rest: the connection is lost, what was received is not."""
        while self._rest:
            self._read()

    def _read_on(self) -> None:
        self._is_due = False
        pause = self._read() if self._rest and not self._is_held else 0.0
        if self._transport.is_closing() or self._is_held:
            return
        if self._rest or pause:
            self._is_due = True
            self._transport.pause_reading()
            self._loop.call_later(pause, self._read_on)
        else:
            self._transport.resume_reading()

    def _read(self) -> float:
        """Read a slice, and return how long to wait for more."""
        data, self._rest = self._rest[:SLICE], self._rest[SLICE:]
        returned = min(data.count(HINTS.encode()), self._coming_back)
        self._coming_back -= returned
        self._feed(data)
        return PAUSE_SECONDS if returned and self._coming_back > FEW else 0.0
