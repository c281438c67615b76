"""What was received, on its way to the gate: not too much of it at a time, nor too little.

uvloop reads on while there is more in a socket, and so would let nobody else have a turn, neither
those who ask nor the writer. And where the results of several pages come back to us one by one, as
copies, it takes longer to wake up for each than to pass it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from component.xmpp.queries.exchange import HINTS

#: How many bytes are read in one turn: about a millisecond of work.
SLICE = 32 * 1024

#: Where more results come back than a usual page has, clients wait for other pages by now, and
#: little is lost when we wait for more to read.
FEW = 64
PAUSE_SECONDS = 0.002

#: What each result has in it, as bytes.
_MARK = HINTS.encode()

#: What has not come back so long after the last page never will.
FORGOTTEN_SECONDS = 1.0


class FairReader:
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
        results = text.count(HINTS)
        if results:
            self._coming_back = results + (0 if self._is_long_ago else self._coming_back)
            self._sent_at = self._loop.time()

    def hold(self, on: bool) -> None:
        """Stop reading, or go on."""
        self._is_held = on
        if on:
            self._transport.pause_reading()
        elif not self._is_due:
            # Not here: whoever has room again has other things to do.
            self._is_due = True
            self._loop.call_soon(self._read_on)

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
        self._feed(data)
        returned = data.count(_MARK)
        self._coming_back = max(self._coming_back - returned, 0)
        is_worth_it = returned and not self._rest and self._coming_back > FEW
        return PAUSE_SECONDS if is_worth_it and not self._is_long_ago else 0.0

    @property
    def _is_long_ago(self) -> bool:
        """Whether nothing comes back any more of what was sent last."""
        return self._loop.time() - self._sent_at > FORGOTTEN_SECONDS
