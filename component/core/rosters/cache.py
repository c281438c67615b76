"""Remembers rosters for decisions about archiving, so that few messages cost a query."""

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

#: The size of the cache in bytes as `_size` counts them, and the seconds after which a roster is
#: read again, because the push of a change may be lost.
REMEMBERED_SIZE = 32 * 1024 * 1024
FRESH_SECONDS = 600.0

#: The bytes of an empty roster, and of a contact without the characters of its JID.
_SIZE, _SIZE_PER_CONTACT = 512, 128

#: Seconds until a roster that could not be read is tried again.
UNREADABLE_SECONDS = 60.0

#: The maximum number of reads of a roster that changes while it is read: a user who changes a
#: roster all the time must not keep messages waiting.
READS_MAX = 3

#: The bare JIDs on a roster, None if it cannot be read.
Contacts = frozenset[str] | None


class RosterCache:
    """Remembers rosters for a while."""

    def __init__(
        self,
        rosters: Rosters,
        clock: Callable[[], float] = monotonic,
        *,
        size: int = REMEMBERED_SIZE,
    ) -> None:
        """`size` is in bytes, like REMEMBERED_SIZE."""
        self._rosters = rosters
        self._clock = clock
        #: by owner: the time until which a roster is remembered, and its contacts
        self._remembered: FIFOCache[str, tuple[float, Contacts]] = FIFOCache(size, getsizeof=_size)
        #: owners whose roster is being read, and has not changed since
        self._reading: set[str] = set()
        self._unreadable: set[str] = set()  # hosts of which a warning was logged

    def is_known(self, owner: str) -> bool:
        """Return whether the roster of an owner is in the cache."""
        return owner in self._remembered and self._remembered[owner][0] > self._clock()

    def remembered(self, owner: str) -> Contacts:
        """Return the contacts on a roster in the cache."""
        return self._remembered[owner][1]

    def changed(self, owner: str) -> None:
        """Forget a roster, because it has changed."""
        self._remembered.pop(owner, None)
        self._reading.discard(owner)

    def missed(self) -> None:
        """Forget all rosters: any may have changed."""
        self._remembered.clear()
        self._reading.clear()

    def readable(self, host: str) -> None:
        """Forget the failed reads of a host's rosters, because the host permits reads now."""
        failed = [owner for owner, (_, contacts) in self._remembered.items() if contacts is None]
        for owner in (*failed, *self._reading):
            if jids.domain(owner) == host:
                self.changed(owner)

    async def read(self, owner: str) -> Contacts:
        """Read a roster, and remember it if it does not change meanwhile.

        Return the contacts that were on it at any time meanwhile, None if it cannot be read.
        """
        ever: frozenset[str] = frozenset()
        for _ in range(READS_MAX):
            self._reading.add(owner)
            contacts = await self._contacts(owner)
            ever |= contacts or frozenset()
            if owner in self._reading:
                self._reading.discard(owner)
                self._remember(owner, contacts)
                break
        self._warn(jids.domain(owner), is_readable=contacts is not None)
        return None if contacts is None else ever

    async def _contacts(self, owner: str) -> Contacts:
        try:
            roster = await self._rosters.roster(owner)
        except ItemNotFound:
            return frozenset()
        except Refused:
            return None
        return None if roster is None else frozenset(jids.bare(contact.jid) for contact in roster)

    def _remember(self, owner: str, contacts: Contacts) -> None:
        seconds = UNREADABLE_SECONDS if contacts is None else FRESH_SECONDS
        # A roster that is larger than the cache is read each time.
        with suppress(ValueError):
            self._remembered[owner] = self._clock() + seconds, contacts

    def _warn(self, host: str, *, is_readable: bool) -> None:
        """Log once that rosters of a host cannot be read, until they can be."""
        if is_readable:
            self._unreadable.discard(host)
        elif host not in self._unreadable:
            self._unreadable.add(host)
            log.warning(
                "rosters of %s cannot be read: messages that depend on them are archived", host
            )


def _size(remembered: tuple[float, Contacts]) -> int:
    """Return the approximate size of a remembered roster in bytes."""
    return _SIZE + sum(_SIZE_PER_CONTACT + len(jid) for jid in remembered[1] or ())
