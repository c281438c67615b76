"""Before the writer: what its owner does not want archived is left out (XEP-0441 section 2).

Where that depends on preferences or on a roster that are not known yet, the work of that owner
waits here, in its order, until they were read; that of all others goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from component.core.preferences import Applied, Wishes
from component.core.rosters import Contacts, RosterMemory
from component.core.writer import Queue
from storage.rows import Entry, Work

log = logging.getLogger(__name__)

#: How much work may wait for rosters; with more, all of it is archived.
HELD_MAX = 10_000


class Wanted:
    """Passes on to the writer what is wanted."""

    def __init__(
        self, writer: Queue, wishes: Wishes, rosters: RosterMemory, *, held_max: int = HELD_MAX
    ) -> None:
        self._writer = writer
        self._wishes = wishes
        self._rosters = rosters
        self._held_max = held_max
        #: by owner, with what is applied to it where that is known
        self._held: dict[str, list[tuple[Work, Applied | None]]] = {}
        self._count = 0
        self._reading: dict[asyncio.Task[None], str] = {}  # of whom

    def put(self, work: Sequence[Work]) -> None:
        """Queue what is wanted of this work; it is durable once `settled` returns."""
        self._writer.put([one for one in work if self._passes(one)])
        if self._count > self._held_max:
            log.warning("too much waits for rosters: all of it is archived")
            self._release()

    async def settled(self, owner: str | None = None) -> None:
        """Wait until what was put before this call and is wanted is durable.

        For one owner that waits for no roster of another.
        """
        reading = [task for task, whose in self._reading.items() if owner in (None, whose)]
        if reading:
            await asyncio.wait(reading)
        await self._writer.settled(owner)

    def _passes(self, one: Work) -> bool:
        """Whether work goes on now; it is held where that cannot be said yet.

        What is wanted is decided here, by what holds when a message comes.
        """
        owner, applied = one.owner, self._wishes.remembered(one.owner)
        verdict = True if not isinstance(one, Entry) else self._verdict(one, applied)
        if verdict is False or (verdict and owner not in self._held):
            return verdict
        if owner not in self._held:
            self._held[owner] = []
            task = asyncio.create_task(self._ask(owner))
            self._reading[task] = owner
            task.add_done_callback(self._reading.pop)
        self._held[owner].append((one, applied))
        self._count += 1
        return False

    def _verdict(self, one: Entry, applied: Applied | None) -> bool | None:
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
        self._count -= len(held)
        self._writer.put([one for one, known in held if _is_kept(one, known or applied, contacts)])

    async def _contacts(self, owner: str) -> Contacts:
        if self._rosters.is_known(owner):
            return self._rosters.remembered(owner)
        try:
            return await self._rosters.read(owner)
        except Exception:
            # Whatever went wrong, what waits must not wait for ever.
            log.exception("the roster of %s was not read", owner)
            return None

    def _release(self) -> None:
        """Archive all that waits for rosters: nothing is lost for want of one.

        What waits for preferences goes on waiting: those are in the store, as it will be.
        """
        for owner, work in [*self._held.items()]:
            if all(applied is not None for _, applied in work):
                del self._held[owner]
                self._count -= len(work)
                self._writer.put([one for one, _ in work])


def _wants(one: Work, applied: Applied) -> bool | None:
    """Whether work is wanted, None where the roster says so."""
    return applied.wants(one.owner, one.peer, one.resource) if isinstance(one, Entry) else True


def _is_kept(one: Work, applied: Applied, contacts: Contacts) -> bool:
    """Whether work is wanted, the roster being known."""
    verdict = _wants(one, applied)
    return _is_on(one, contacts) if verdict is None and isinstance(one, Entry) else verdict is True


def _is_on(one: Entry, contacts: Contacts) -> bool:
    """Whether a roster lets a message be archived; one that cannot be read does."""
    return contacts is None or one.peer in contacts
