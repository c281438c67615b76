"""XEP-0045: Multi-User Chat, version 1.35.5. Rooms with an archive of their own: who may read it.

Rooms tell us nothing, but what they tell our users passes by: each user's own affiliation. That is
kept, and at a query the room is asked whom it lets in these days (XEP-0313 section 5.1.2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from component.core import jids
from component.core.ports import RoomInfo
from storage.errors import Rejected, StorageError
from storage.interface import Records
from storage.rows import Occupant

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

OUTCAST, NONE = "outcast", "none"
_MEMBERS = frozenset({"member", "admin", "owner"})
AFFILIATIONS = _MEMBERS | {NONE, OUTCAST}


class Rooms:
    """Knows what our users are in rooms, and keeps it."""

    def __init__(
        self,
        services: Collection[str],
        hosts: Collection[str],
        records: Records,
        info: RoomInfo,
    ) -> None:
        """`services` are the domains of the rooms that have an archive here."""
        self._services = frozenset(services)
        self._hosts = frozenset(hosts)
        self._records = records
        self._info = info
        self._affiliations: dict[tuple[str, str], str] = {}
        self._unwritten: dict[tuple[str, str], str] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    def keeps(self, address: str) -> bool:
        """Whether this is a room that has an archive here."""
        return jids.domain(address) in self._services and jids.local(address) != ""

    async def admits(self, requester: str, room: str) -> bool:
        """Whether a room would let a bare JID in, so that it may read what was said there."""
        affiliation = self._affiliations.get((room, requester))
        if affiliation == OUTCAST or jids.domain(requester) not in self._hosts:
            return False
        features = await self._info.features(room)
        if features is None:
            return False
        if "muc_membersonly" in features:
            return affiliation in _MEMBERS
        if "muc_passwordprotected" in features:
            return affiliation is not None
        return True

    def note(self, occupant: Occupant) -> None:
        """Take what a room said about a user of ours; it will be written."""
        key = (occupant.room, occupant.jid)
        if self._affiliations.get(key) == occupant.affiliation:
            return
        self._affiliations[key] = self._unwritten[key] = occupant.affiliation
        self._wake.set()

    def forget(self, owner: str) -> None:
        """Forget a user, or a room, that was erased."""
        for known in (self._affiliations, self._unwritten):
            for key in [key for key in known if owner in key]:
                del known[key]

    async def load(self) -> None:
        """Read what was known when the program ended. Raises StorageError."""
        for known in await self._records.occupants():
            self._affiliations[known.room, known.jid] = known.affiliation

    async def run(self) -> None:
        """Write until `stop` is called and nothing waits any more."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unwritten:
                await self._write_one()
            if self._stopping:
                return

    def stop(self) -> None:
        """Let `run` return once all is written."""
        self._stopping = True
        self._wake.set()

    async def _write_one(self) -> None:
        key, affiliation = next(iter(self._unwritten.items()))
        occupant = Occupant(room=key[0], jid=key[1], affiliation=affiliation)
        try:
            await self._records.set_occupant(occupant)
        except Rejected:
            log.error("the store refuses what %s is in %s", occupant.jid, occupant.room)
        except StorageError as error:
            log.error("what users are in rooms cannot be written: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            return
        # It may have changed again while it was written.
        if self._unwritten.get(key) == affiliation:
            del self._unwritten[key]
