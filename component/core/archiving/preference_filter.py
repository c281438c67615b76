"""Before the writer: what its owner does not want archived is left out (XEP-0441 section 2).

Where that depends on preferences or on a roster that are not known yet, the work of that owner
waits here, in its order, until they were read; that of all others goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from component.core.archiving.preferences import EffectivePreferences, Preferences
from component.core.archiving.pressure import Backpressure, size_of
from component.core.archiving.writer import Queue
from component.core.rosters.cache import Contacts, RosterCache
from storage.rows import NewMessage

log = logging.getLogger(__name__)


class PreferenceFilter:
    """Passes on to the writer what is wanted."""

    def __init__(
        self,
        writer: Queue,
        wishes: Preferences,
        rosters: RosterCache,
        pressure: Backpressure | None = None,
    ) -> None:
        """`pressure` counts what waits here too.

        No more than half of what may wait at all waits for rosters: they are told by the server,
        which is not read while too much waits. With more, all that waits for them is archived.
        """
        self._writer = writer
        self._wishes = wishes
        self._rosters = rosters
        self._pressure = pressure or Backpressure()
        #: by owner, with what is applied to it where that is known
        self._held: dict[str, list[tuple[NewMessage, EffectivePreferences | None]]] = {}
        self._bytes = 0
        self._reading: dict[asyncio.Task[None], str] = {}  # of whom

    def put(self, work: Sequence[NewMessage]) -> None:
        """Queue what is wanted of this work; it is durable once `settled` returns."""
        self._writer.put([one for one in work if self._passes(one)])
        if self._bytes > self._pressure.capacity // 2:
            released = self.release()
            if released:
                log.warning("too much waits for rosters: %d messages are archived", released)

    async def settled(self, owner: str | None = None) -> None:
        """Wait until what was put before this call and is wanted is durable.

        For one owner that waits for no roster of another.
        """
        await self.judged(owner)
        await self._writer.settled(owner)

    async def readable(self, owner: str) -> None:
        """Wait until a read sees what was put before this call for an owner and is wanted."""
        await self.judged(owner)
        await self._writer.readable(owner)

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Say that the store is kept from being written: reads do not wait meanwhile."""
        return self._writer.paused()

    async def judged(self, owner: str | None = None) -> None:
        """Wait until what was put before this call waits for no roster any more."""
        reading = [task for task, whose in self._reading.items() if owner in (None, whose)]
        if reading:
            await asyncio.wait(reading)

    def _passes(self, one: NewMessage) -> bool:
        """Whether work goes on now; it is held where that cannot be said yet.

        What is wanted is decided here, by what holds when a message comes.
        """
        owner, applied = one.owner, self._wishes.remembered(one.owner)
        verdict = self._verdict(one, applied)
        if verdict is False or (verdict and owner not in self._held):
            return verdict
        if owner not in self._held:
            self._held[owner] = []
            task = asyncio.create_task(self._ask(owner))
            self._reading[task] = owner
            task.add_done_callback(self._reading.pop)
        self._held[owner].append((one, applied))
        self._bytes += size_of([one])
        self._pressure.add([one])
        return False

    def _verdict(self, one: NewMessage, applied: EffectivePreferences | None) -> bool | None:
        """Whether a message is wanted; None while what says so is not known."""
        if applied is None:
            return None
        verdict = applied.wants(one.owner, one.peer, one.resource)
        if verdict is None and self._rosters.is_known(one.owner):
            return _is_on(one, self._rosters.remembered(one.owner))
        return verdict

    async def _ask(self, owner: str) -> None:
        """Read preferences, and a roster where they want one; then judge what waits for them."""
        applied = await self._wishes.read(owner)
        held, contacts = self._held.get(owner, []), None
        held[:] = [(one, known or applied) for one, known in held]
        if any(_wants(one, known or applied) is None for one, known in held):
            contacts = await self._contacts(owner)
        held = self._held.pop(owner, [])
        kept = [one for one, known in held if _is_kept(one, known or applied, contacts)]
        self._pass_on([one for one, _ in held], kept)

    async def _contacts(self, owner: str) -> Contacts:
        if self._rosters.is_known(owner):
            return self._rosters.remembered(owner)
        try:
            return await self._rosters.read(owner)
        except Exception:
            # Whatever went wrong, what waits must not wait for ever.
            log.exception("the roster of %s was not read", owner)
            return None

    def release(self, *, is_last: bool = False) -> int:
        """Archive all that waits for rosters: nothing is lost for want of one. Return how much.

        What waits for preferences goes on waiting, except at the end: those are in the store.
        """
        released = 0
        for owner, held in [*self._held.items()]:
            if is_last or all(applied is not None for _, applied in held):
                del self._held[owner]
                work = [one for one, _ in held]
                self._pass_on(work, work)
                released += len(work)
        return released

    def _pass_on(self, held: Sequence[NewMessage], kept: Sequence[NewMessage]) -> None:
        # First to the writer, so that nothing is told of room that there is not.
        self._writer.put(kept)
        self._bytes -= size_of(held)
        self._pressure.remove(held)


def _wants(one: NewMessage, applied: EffectivePreferences) -> bool | None:
    """Whether work is wanted, None where the roster says so."""
    return applied.wants(one.owner, one.peer, one.resource)


def _is_kept(one: NewMessage, applied: EffectivePreferences, contacts: Contacts) -> bool:
    """Whether work is wanted, the roster being known."""
    verdict = _wants(one, applied)
    return _is_on(one, contacts) if verdict is None else verdict


def _is_on(one: NewMessage, contacts: Contacts) -> bool:
    """Whether a roster lets a message be archived; one that cannot be read does."""
    return contacts is None or one.peer in contacts
