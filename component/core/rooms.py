"""XEP-0045: Multi-User Chat, version 1.35.5. Rooms with an archive of their own: who may read it.

Rooms tell us nothing, but what they tell our users passes by: each user's own affiliation, and to
moderators that others were removed. That is kept, and at a query the room is asked whom it lets in
these days (XEP-0313 section 5.1.2). Whoever makes a room anew gets to know nothing of the one that
had its name before.

Of what happens while the connection is down nothing is heard: a room may have ended, and been made
anew by a stranger. It is taken for the same one where it was persistent before and is persistent
still. Any other is a room that was made when the connection came up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

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

#: XEP-0045 section 15.5: the room stays when nobody is in it.
_PERSISTENT = "muc_persistent"

#: Under which a room's own are written, where those of users are under their JIDs.
_MADE, _STAYS = "", "/"

#: So many rooms wait to be asked; others are asked when they are heard of next.
UNASKED_MAX = 1000


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
        self._made: dict[str, int] = {}
        self._affiliations: dict[str, dict[str, str]] = {}  # by room and user
        self._persistent: set[str] = set()  # as far as it is known
        self._began = 0  # when the connection came up, microseconds
        self._before: frozenset[str] = frozenset()  # rooms that were persistent until then
        self._settled: set[str] = set()  # rooms of which it is decided whether they are the same
        self._fresh: dict[str, dict[str, str]] = {}  # heard since then of rooms that are not
        self._unasked: dict[str, None] = {}  # rooms to be asked whether they are persistent
        #: in the order in which it came, by room and user, of the room itself by _MADE and _STAYS
        self._unwritten: dict[tuple[str, str], Callable[[], Awaitable[None]]] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    def keeps(self, address: str) -> bool:
        """Whether this is a room that has an archive here."""
        return jids.domain(address) in self._services and jids.local(address) != ""

    async def admits(self, requester: str, room: str) -> bool:
        """Whether a room would let a bare JID in, so that it may read what was said there."""
        features = await self._ask(room)
        affiliation = self._known(room, requester)
        if affiliation == OUTCAST or jids.domain(requester) not in self._hosts:
            return False
        if features is None:
            return False
        if "muc_membersonly" in features:
            return affiliation in _MEMBERS
        if "muc_passwordprotected" in features:
            return affiliation is not None
        return True

    def since(self, room: str) -> int:
        """Return when a room was made, microseconds; 0 where that is not known."""
        return self._made.get(room, 0)

    def begin(self, at: int) -> None:
        """Take that the connection came up at that time, in microseconds: all may be different."""
        self._began = at
        self._before = frozenset(self._persistent)
        self._settled.clear()
        self._fresh.clear()

    def note_changed(self, room: str) -> None:
        """Take that a room is configured differently from now on."""
        self._info.forget(room)
        self._look_at(room)

    def note(self, occupant: Occupant) -> None:
        """Take what a room said about a user of ours; it will be written."""
        room, jid = occupant.room, occupant.jid
        if room not in self._settled:
            self._fresh.setdefault(room, {})[jid] = occupant.affiliation
            self._look_at(room)
        if self._known(room, jid) == occupant.affiliation:
            return
        self._affiliations.setdefault(room, {})[jid] = occupant.affiliation
        self._write(room, jid, partial(self._records.set_occupant, occupant))

    def note_of_others(self, occupant: Occupant) -> None:
        """Take what a room said about a user who is not in it: what he may not do any more.

        Nothing else counts: whoever is made a member need not know the password of the room, nor
        need whoever was refused.
        """
        was = self._known(occupant.room, occupant.jid)
        is_removed = occupant.affiliation == NONE and was in _MEMBERS
        is_banned = occupant.affiliation == OUTCAST and jids.domain(occupant.jid) in self._hosts
        if is_removed or is_banned:
            self.note(occupant)

    def note_new(self, room: str, at: int) -> None:
        """Take that a room was made at that time, in microseconds; it will be written."""
        self._settled.add(room)
        self._fresh.pop(room, None)
        self._reset(room, at)
        self._info.forget(room)
        self._look_at(room)

    def forget(self, owner: str) -> None:
        """Forget a user, or a room, that was erased."""
        self._made.pop(owner, None)
        for heard in (self._affiliations, self._fresh):
            heard.pop(owner, None)
            for known in heard.values():
                known.pop(owner, None)
        for key in [key for key in self._unwritten if owner in key]:
            del self._unwritten[key]

    async def load(self) -> None:
        """Read what was known when the program ended. Raises StorageError."""
        self._made |= await self._records.rooms()
        self._persistent |= await self._records.persistent_rooms()
        for known in await self._records.occupants():
            self._affiliations.setdefault(known.room, {})[known.jid] = known.affiliation

    async def run(self) -> None:
        """Write until `stop` is called and nothing waits, or the store fails behind it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._unwritten or (self._unasked and not self._stopping):
                if self._unwritten:
                    if not await self._write_one() and self._stopping:
                        return
                else:
                    room = next(iter(self._unasked))
                    del self._unasked[room]
                    await self._ask(room)
            if self._stopping:
                return

    @property
    def backlog(self) -> int:
        """How much is not written yet."""
        return len(self._unwritten)

    def stop(self) -> None:
        """Let `run` return once all is written, or the store fails."""
        self._stopping = True
        self._wake.set()

    def _known(self, room: str, jid: str) -> str | None:
        return self._affiliations.get(room, {}).get(jid)

    def _look_at(self, room: str) -> None:
        """Have a room asked whether it is persistent."""
        if len(self._unasked) < UNASKED_MAX:
            self._unasked[room] = None
            self._wake.set()

    async def _ask(self, room: str) -> frozenset[str] | None:
        """Return the features of a room, None where it does not answer, and learn from them."""
        began = self._began
        features = await self._info.features(room)
        if began != self._began:
            # It may be another room by now.
            return None
        if features is not None:
            self._learn(room, _PERSISTENT in features)
        return features

    def _learn(self, room: str, is_persistent: bool) -> None:
        """Take whether a room is persistent, and so whether it is the one from before."""
        if self._began and room not in self._settled:
            self._settled.add(room)
            fresh = self._fresh.pop(room, {})
            if not is_persistent or room not in self._before:
                self._doubt(room, fresh)
        if is_persistent != (room in self._persistent):
            (self._persistent.add if is_persistent else self._persistent.discard)(room)
            self._write(room, _STAYS, partial(self._records.set_persistent, room, is_persistent))

    def _doubt(self, room: str, fresh: Mapping[str, str]) -> None:
        """Take a room for one that was made when the connection came up.

        Who was banned before stays so: should it be the same room, it would not let him in.
        """
        known = self._affiliations.get(room, {}).items()
        banned = {jid: affiliation for jid, affiliation in known if affiliation == OUTCAST}
        self._reset(room, self._began)
        for jid, affiliation in {**banned, **fresh}.items():
            self.note(Occupant(room=room, jid=jid, affiliation=affiliation))

    def _reset(self, room: str, made: int) -> None:
        """Know nothing of a room but when it was made."""
        self._made[room] = made
        self._affiliations.pop(room, None)
        self._persistent.discard(room)
        for key in [key for key in self._unwritten if key[0] == room]:
            del self._unwritten[key]
        self._write(room, _MADE, partial(self._records.set_room, room, made))

    def _write(self, room: str, jid: str, write: Callable[[], Awaitable[None]]) -> None:
        # Behind all that came before: what was written of a room goes when it is made anew.
        self._unwritten.pop((room, jid), None)
        self._unwritten[room, jid] = write
        self._wake.set()

    async def _write_one(self) -> bool:
        """Write what came first; return whether the store took it, or never will."""
        key, write = next(iter(self._unwritten.items()))
        try:
            await write()
        except Rejected:
            log.error("the store refuses what is known of %s in %s", key[1], key[0])
        except StorageError as error:
            log.error("what users are in rooms cannot be written: %s", error)
            if not self._stopping:
                await asyncio.sleep(RETRY_SECONDS)
            return False
        # It may have changed again while it was written.
        if self._unwritten.get(key) is write:
            del self._unwritten[key]
        return True
