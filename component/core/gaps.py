"""Gaps: times in which no copies of stanzas arrived, so that archives may lack messages.

The store has the time until which all copies are stored. If copies arrive again only later, there
is a gap between. The time is noted every few seconds, so a gap may begin too early: after a kill
by up to NOTE_SECONDS, and by the time for which ejabberd had sent nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from component.core.errors import Refused
from component.core.store_errors import translated
from component.core.xml.times import format_time, now
from storage.errors import StorageError
from storage.interface import BackfillStore, GapsStore
from storage.rows import UNSETTLED, Filter, Gap, GapProgress, GapState

log = logging.getLogger(__name__)

#: Reasons of gaps.
STOPPED, DISCONNECTED = "stopped", "disconnected"

#: How often the time of the newest stored copy is noted.
NOTE_SECONDS = 10.0

#: Seconds that a reader waits until the gap before it is stored.
STORED_SECONDS = 2.0

#: Maximum number of gaps; over it the oldest are joined.
GAPS_MAX = 1000

#: Maximum number of breaks that wait for a store that fails; over it the last ones are joined.
BREAKS_MAX = 100


class ArchiveFiller(Protocol):
    """Fetches the messages of gaps from elsewhere."""

    def is_filled(self, owner: str, gap: Gap) -> bool:
        """Return whether the messages of a gap in one archive are known to be there."""
        ...

    async def before_read(self, owner: str, filter: Filter) -> None:
        """Fill the gaps of an archive that a read may meet, within a bound of time."""
        ...


class Gaps:
    """Notes until when copies were received, and stores a gap when they arrive again."""

    def __init__(
        self,
        store: GapsStore,
        received_until: Callable[[int], int],
        wait_durable: Callable[[], Awaitable[None]],
        *,
        is_shared: bool = False,
        backfill: BackfillStore | None = None,
    ) -> None:
        """`received_until` returns until when all copies have arrived, in microseconds.

        It is called with the time since when they arrive: nothing was missed at that moment.
        `wait_durable` returns when all messages that have arrived are stored. `is_shared` says
        whether other processes receive the same copies. With `backfill`, places are left for the
        messages of gaps, and `filler` fetches them.
        """
        self.filler: ArchiveFiller | None = None
        self._backfill = backfill
        self._store = store
        self._received_until = received_until
        self._wait_durable = wait_durable
        self._is_shared = is_shared
        self._gaps: tuple[Gap, ...] = ()
        self._until = 0  #: the time of the last copy, as far as is known
        self._connected_at = 0  #: since when this process gets copies
        self._is_up = False
        self._was_up = False
        self._breaks: list[Gap] = []  #: not stored yet
        self._changed = asyncio.Event()
        self._stored = asyncio.Event()  #: set when gaps were stored
        self._stopping = False

    async def load(self) -> None:
        """Read the gaps, and until when copies were received. Raises StorageError."""
        self._gaps = await self._store.list()
        self._until = max(self._until, await self._store.received_until())
        self._reserve(0)

    def all(self) -> tuple[Gap, ...]:
        """Return all gaps, the oldest first; one without an end lasts still."""
        current: tuple[Gap, ...] = ()
        if not (self._is_up or self._is_shared) and self._until:
            last = Gap(begins_at=self._until, ends_at=None, reason=self._reason)
            current = (replace(last, state=self._new_state),)
        return (*self._gaps, *self._breaks, *current)

    @property
    def _new_state(self) -> GapState:
        """The state of a new gap."""
        return GapState.MISSING if self._backfill is None else GapState.OPEN

    def unfilled(self) -> tuple[Gap, ...]:
        """Return the gaps that are not filled."""
        return tuple(gap for gap in self.all() if not gap.filled_at)

    def unsettled(self) -> tuple[Gap, ...]:
        """Return the gaps that are to be filled, the oldest first."""
        return tuple(gap for gap in self._gaps if gap.state in UNSETTLED)

    def unverified(self) -> tuple[Gap, ...]:
        """Return the gaps of which nobody knows yet whether messages are missing."""
        return tuple(gap for gap in self._gaps if gap.state is GapState.UNVERIFIED)

    def unfilled_of(self, owner: str) -> tuple[Gap, ...]:
        """Return the gaps in which messages of one archive may be missing."""
        filler = self.filler
        return tuple(
            gap for gap in self.unfilled() if filler is None or not filler.is_filled(owner, gap)
        )

    async def before_read(self, owner: str, filter: Filter) -> None:
        """Fill the gaps of an archive that a read may meet, within a bound of time."""
        if self.filler is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(STORED_SECONDS):
                while self._breaks:
                    self._stored.clear()
                    await self._stored.wait()
        await self.filler.before_read(owner, filter)

    async def wait_changed(self, seconds: float) -> None:
        """Wait until a gap was stored, at most for some seconds."""
        self._stored.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stored.wait()

    async def claim(self, number: int, filler: str, *, idle_since: int) -> bool:
        """Let one process fill a gap. Raises StorageError."""
        at = now()
        if not self._is_shared:
            # A process before this one may have claimed it, and has ended.
            idle_since = at + 1
        return await self._store.claim(number, filler, at=at, idle_since=idle_since)

    async def note_progress(self, number: int, progress: GapProgress) -> None:
        """Note a step in filling a gap. Raises StorageError."""
        await self._store.note_progress(number, progress, at=now())
        self._gaps = await self._store.list()

    async def fill(self, number: int) -> bool:
        """Note that a gap is filled; return whether there is such a gap. Raises Overloaded."""
        with translated():
            is_known = await self._store.fill(number, at=now())
            self._gaps = await self._store.list()
        return is_known

    def connecting(self, at: int) -> None:
        """Note that copies may arrive from a time on, in microseconds.

        Another process may know since when; until then the messages leave a place for a gap.
        """
        self._connected_at = at
        if self._is_shared:
            self._reserve(at)

    def begin(self, since: int) -> None:
        """Note that copies have arrived without a break since a time, in microseconds."""
        if self._until and since > self._until:
            gap = Gap(begins_at=self._until, ends_at=since, reason=self._reason)
            if len(self._breaks) >= BREAKS_MAX:
                gap = Gap(begins_at=self._breaks.pop().begins_at, ends_at=since, reason=gap.reason)
            self._breaks.append(gap)
            self._reserve(since)
        self._is_up = self._was_up = True
        self._changed.set()

    def end(self) -> None:
        """Note that no copies arrive any more."""
        if self._is_up:
            self._until = max(self._until, self._received_until(self._connected_at))
            self._is_up = False
            self._changed.set()

    async def run(self) -> None:
        """Store gaps, and until when copies were received, until `stop` is called."""
        while not self._stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(NOTE_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            if self._stopping:
                return
            try:
                await self._store_breaks()
                await self._note()
            except (StorageError, Refused) as error:
                log.warning("gaps cannot be noted now: %s", error)

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping = True
        self._changed.set()

    async def finish(self) -> None:
        """Note until when copies were received, after all of them were stored.

        If the store fails, the gap begins at the time that was noted last.
        """
        try:
            await self._store_breaks()
            if self._was_up:
                await self._store.note_received(self._until)
        except StorageError as error:
            log.warning("the end of the copies cannot be noted: %s", error)

    @property
    def _reason(self) -> str:
        return DISCONNECTED if self._was_up else STOPPED

    async def _store_breaks(self) -> None:
        while self._breaks:
            gap = self._breaks[0]
            # Another process may have received copies meanwhile.
            begins_at = max(gap.begins_at, await self._store.received_until())
            if gap.ends_at is not None and begins_at < gap.ends_at:
                gap = replace(gap, begins_at=begins_at, state=self._new_state)
                await self._store.add(gap, limit=GAPS_MAX)
                _report(gap)
            self._gaps = await self._store.list()
            del self._breaks[0]
            self._stored.set()

    async def _note(self) -> None:
        until = self._received_until(self._connected_at) if self._is_up else self._until
        if self._was_up and until:
            await self._wait_durable()
            await self._store.note_received(until)
        if self._is_shared:
            self._gaps = await self._store.list()
            self._reserve(0)

    def _reserve(self, ends_at: int) -> None:
        """Leave places for the messages of the latest gap, which ended at a time or before."""
        if self._backfill is not None:
            ends = [gap.ends_at or 0 for gap in self.unsettled()]
            self._backfill.reserve(max(ends_at, *ends, 0))


def _report(gap: Gap) -> None:
    log.warning(
        "a gap in all archives: messages from %s to %s may be missing, because Muniment %s",
        format_time(gap.begins_at),
        "now" if gap.ends_at is None else format_time(gap.ends_at),
        "did not run" if gap.reason == STOPPED else "was not connected to ejabberd",
    )
