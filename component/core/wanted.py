"""Before the writer: what its owner does not want archived is left out (XEP-0441 section 2).

Where that depends on a roster that is not known yet, the work of that owner waits here, in its
order, until the roster was read; that of all others goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from component.core.preferences import Wishes
from component.core.pressure import Pressure, size_of
from component.core.rosters import Contacts, RosterMemory
from component.core.writer import Queue
from storage.rows import Entry, Work

log = logging.getLogger(__name__)


class Wanted:
    """Passes on to the writer what is wanted."""

    def __init__(
        self,
        writer: Queue,
        wishes: Wishes,
        rosters: RosterMemory,
        pressure: Pressure | None = None,
    ) -> None:
        """`pressure` counts what waits here too.

        No more than half of what may wait at all waits for rosters: they are told by the server,
        which is not read while too much waits. With more, all of it is archived.
        """
        self._writer = writer
        self._wishes = wishes
        self._rosters = rosters
        self._pressure = pressure or Pressure()
        #: by owner, with whether the roster decides
        self._held: dict[str, list[tuple[Work, bool]]] = {}
        self._bytes = 0
        self._reading: dict[asyncio.Task[None], str] = {}  # whose roster

    def put(self, work: Sequence[Work]) -> None:
        """Queue what is wanted of this work; it is durable once `settled` returns."""
        self._writer.put([one for one in work if self._passes(one)])
        if self._bytes > self._pressure.capacity // 2:
            log.warning("too much waits for rosters: all of it is archived")
            self.release()

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

    def standing(self) -> AbstractAsyncContextManager[None]:
        """Say that the store is kept from being written: reads do not wait meanwhile."""
        return self._writer.standing()

    async def judged(self, owner: str | None = None) -> None:
        """Wait until what was put before this call waits for no roster any more."""
        reading = [task for task, whose in self._reading.items() if owner in (None, whose)]
        if reading:
            await asyncio.wait(reading)

    def _passes(self, one: Work) -> bool:
        """Whether work goes on now; it is held where that cannot be said yet.

        What is wanted is decided here, by what holds when a message comes.
        """
        owner, verdict = one.owner, self._verdict(one)
        if verdict is False or (verdict and owner not in self._held):
            return verdict
        if owner not in self._held:
            self._held[owner] = []
            task = asyncio.create_task(self._ask(owner))
            self._reading[task] = owner
            task.add_done_callback(self._reading.pop)
        self._held[owner].append((one, verdict is None))
        self._bytes += size_of([one])
        self._pressure.add([one])
        return False

    def _verdict(self, one: Work) -> bool | None:
        """Whether work is wanted; None while the roster that says so is not known."""
        if not isinstance(one, Entry):
            return True
        verdict = self._wishes.wants(one.owner, one.peer, one.resource)
        if verdict is None and self._rosters.is_known(one.owner):
            return _is_kept(one, self._rosters.remembered(one.owner))
        return verdict

    async def _ask(self, owner: str) -> None:
        """Read a roster, then judge what waits for it."""
        try:
            contacts = await self._rosters.read(owner)
        except Exception:
            # Whatever went wrong, what waits must not wait for ever.
            log.exception("the roster of %s was not read", owner)
            contacts = None
        held = self._held.pop(owner, [])
        kept = [one for one, is_open in held if not is_open or _is_kept(one, contacts)]
        self._pass_on([one for one, _ in held], kept)

    def release(self) -> None:
        """Archive all that waits: nothing is lost for want of a roster."""
        held, self._held = self._held, {}
        for each in held.values():
            work = [one for one, _ in each]
            self._pass_on(work, work)

    def _pass_on(self, held: Sequence[Work], kept: Sequence[Work]) -> None:
        # First to the writer, so that nothing is told of room that there is not.
        self._writer.put(kept)
        self._bytes -= size_of(held)
        self._pressure.remove(held)


def _is_kept(one: Work, contacts: Contacts) -> bool:
    """Whether a roster lets work be archived; one that cannot be read does."""
    return not isinstance(one, Entry) or contacts is None or one.peer in contacts
