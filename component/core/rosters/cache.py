"""Rosters as they were read last, so that not every message has the server asked for one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from cachetools import FIFOCache

from component.core.errors import ItemNotFound, Refused
from component.core.rosters.protocol import Rosters
from component.core.xml import jids

log = logging.getLogger(__name__)

#: How much of rosters is remembered, in characters of addresses and what is around them, and how
#: long: what pushes tell of a change may be lost.
REMEMBERED_SIZE = 32 * 1024 * 1024
FRESH_SECONDS = 600.0

#: What an empty roster counts for, and what an address does beside its characters.
_SIZE, _SIZE_EACH = 512, 128

#: How long a roster that could not be read is not asked for again.
UNREADABLE_SECONDS = 60.0

#: How often one is asked for that changes between the question and its answer. Whoever changes it
#: without end keeps nobody waiting.
ASKED_MAX = 3

Contacts = frozenset[str] | None


class RosterCache:
    """Rosters, remembered for a while."""

    def __init__(
        self,
        rosters: Rosters,
        clock: Callable[[], float] = monotonic,
        *,
        size: int = REMEMBERED_SIZE,
    ) -> None:
        """`size` is how much is remembered, as REMEMBERED_SIZE has it."""
        self._rosters = rosters
        self._clock = clock
        #: until when it counts, and the bare JIDs on it, None where it cannot be read
        self._known: FIFOCache[str, tuple[float, Contacts]] = FIFOCache(size, getsizeof=_size)
        #: whose roster was asked for, and has not changed since
        self._asked: set[str] = set()
        self._told: set[str] = set()  # hosts whose rosters cannot be read

    def is_known(self, owner: str) -> bool:
        """Whether `remembered` has an answer."""
        return owner in self._known and self._known[owner][0] > self._clock()

    def remembered(self, owner: str) -> Contacts:
        """Return the bare JIDs on a roster that is known, None where it cannot be read."""
        return self._known[owner][1]

    def changed(self, owner: str) -> None:
        """Forget a roster: there is a newer one."""
        self._known.pop(owner, None)
        self._asked.discard(owner)

    def readable(self, host: str) -> None:
        """Forget which rosters of a host could not be read: now they can."""
        failed = [owner for owner, (_, contacts) in self._known.items() if contacts is None]
        for owner in (*failed, *self._asked):
            if jids.domain(owner) == host:
                self.changed(owner)

    async def read(self, owner: str) -> Contacts:
        """Ask for a roster, and remember it where no change comes meanwhile.

        Returns who was on it at any moment meanwhile, None where it cannot be read.
        """
        ever: frozenset[str] = frozenset()
        for _ in range(ASKED_MAX):
            self._asked.add(owner)
            contacts = await self._contacts(owner)
            ever |= contacts or frozenset()
            if owner in self._asked:
                self._asked.discard(owner)
                self._remember(owner, contacts)
                break
        self._tell(jids.domain(owner), is_readable=contacts is not None)
        return None if contacts is None else ever

    async def _contacts(self, owner: str) -> Contacts:
        try:
            roster = await self._rosters.roster(owner)
        except ItemNotFound:
            return frozenset()
        except Refused:
            return None
        return None if roster is None else frozenset(jids.bare(each.jid) for each in roster)

    def _remember(self, owner: str, contacts: Contacts) -> None:
        fresh = UNREADABLE_SECONDS if contacts is None else FRESH_SECONDS
        # One that is too large for that is read each time.
        with suppress(ValueError):
            self._known[owner] = self._clock() + fresh, contacts

    def _tell(self, host: str, *, is_readable: bool) -> None:
        """Say once that rosters of a host cannot be read, until they can."""
        if is_readable:
            self._told.discard(host)
        elif host not in self._told:
            self._told.add(host)
            log.warning("rosters of %s cannot be read: what depends on them is archived", host)


def _size(known: tuple[float, Contacts]) -> int:
    """Return what remembering a roster counts for."""
    return _SIZE + sum(_SIZE_EACH + len(jid) for jid in known[1] or ())
