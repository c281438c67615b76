"""XEP-0045: Multi-User Chat, version 1.35.5. Rooms with an archive of their own: who may read it.

Rooms tell us nothing, but what they tell our users passes by: each user's own affiliation, and to
moderators that others were removed. That is kept in the store, and at a query the room is asked
whom it lets in these days (XEP-0313 section 5.1.2). Whoever makes a room anew gets to know nothing
of the one that had its name before.

Of what happens while the connection is down nothing is heard: a room may have ended, and been made
anew by a stranger. It is taken for the same one where it was persistent before and is persistent
still. Any other is a room that was made when the connection came up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from cachetools import LRUCache

from component.core.hosts import Hosts
from component.core.store_errors import translated
from component.core.xml import jids
from component.core.xml.times import now
from storage.errors import Rejected, StorageError
from storage.interface import Records
from storage.rows import Occupant, RoomChanges

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

OUTCAST, NONE = "outcast", "none"
_MEMBERS = frozenset({"member", "admin", "owner"})
AFFILIATIONS = _MEMBERS | {NONE, OUTCAST}

#: XEP-0045 section 15.5: the room stays when nobody is in it.
_PERSISTENT = "muc_persistent"

#: So many rooms wait to be asked; others are asked when they are heard of next.
UNASKED_MAX = 1000

#: Of so many rooms it is remembered that they are the same, and whether they are persistent.
REMEMBERED = 50_000

#: So much of rooms and users waits to be written.
UNWRITTEN_MAX = 50_000


class RoomInfo(Protocol):
    """What the XMPP server says about its rooms."""

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room (XEP-0045 section 6.4), None where it does not answer."""
        ...

    def forget(self, room: str) -> None:
        """Ask a room again when its features are wanted next: they have changed."""
        ...


@dataclass(slots=True)
class _Changes:
    """What was heard of one room and is not written yet."""

    made: int | None = None
    keeps_banned: bool = False
    is_persistent: bool | None = None
    occupants: dict[str, Occupant] = field(default_factory=dict)
    #: who is no member any more, if they were
    removed: dict[str, Occupant] = field(default_factory=dict)
    version: int = 0  #: how often it has grown

    def __len__(self) -> int:
        """How much it is."""
        return 1 + len(self.occupants) + len(self.removed)

    def of(self, room: str) -> RoomChanges:
        """Return them as a store takes them."""
        return RoomChanges(
            room=room,
            created_at=self.made,
            keep_banned=self.keeps_banned,
            is_persistent=self.is_persistent,
            occupants=tuple(self.occupants.values()),
            removed=tuple(self.removed.values()),
        )


class Rooms:
    """Knows what our users are in rooms, and keeps it."""

    def __init__(
        self,
        hosts: Hosts,
        records: Records,
        info: RoomInfo,
        *,
        on_another: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_another` is called with each room that replaced another one of its name."""
        self._hosts = hosts
        self._records = records
        self._info = info
        self._on_another = on_another
        self._began = 0  # when the connection came up, microseconds
        #: rooms of which it is decided whether they are the same, and whether they are persistent
        self._settled: LRUCache[str, bool] = LRUCache(REMEMBERED)
        self._unasked: dict[str, None] = {}  # rooms to be asked whether they are persistent
        self._unwritten: OrderedDict[str, _Changes] = OrderedDict()
        self._count = 0  # of what is in there
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False

    def keeps(self, address: str) -> bool:
        """Whether this is a room that has an archive here."""
        return self._hosts.is_room(address)

    async def admits(self, requester: str, room: str) -> bool:
        """Whether a room would let a bare JID in, so that it may read what was said there.

        Raises Overloaded.
        """
        with translated():
            features = await self._ask(room)
            await self._write(room)
            affiliation = await self._records.affiliation(room, requester)
        if affiliation == OUTCAST or jids.domain(requester) not in self._hosts:
            return False
        if features is None:
            return False
        if "muc_membersonly" in features:
            return affiliation in _MEMBERS
        if "muc_passwordprotected" in features:
            return affiliation is not None
        return True

    async def since(self, room: str) -> int:
        """Return when a room was made, microseconds; 0 where that is not known.

        Raises Overloaded.
        """
        with translated():
            await self._write(room)
            return (await self._records.room(room)).created_at

    def begin(self, at: int) -> None:
        """Take that the connection came up at that time, in microseconds: all may be different."""
        self._began = at
        self._settled.clear()

    def note_changed(self, room: str) -> None:
        """Take that a room is configured differently from now on."""
        self._info.forget(room)
        self._look_at(room)

    def note(self, occupant: Occupant) -> None:
        """Take what a room said about a user of ours; it will be written."""
        room = occupant.room
        if room not in self._settled:
            self._look_at(room)
        with self._changing(room) as changes:
            changes.removed.pop(occupant.jid, None)
            changes.occupants[occupant.jid] = replace(occupant, heard_at=self._began)

    def note_of_others(self, occupant: Occupant) -> None:
        """Take what a room said about a user who is not in it: what he may not do any more.

        Nothing else counts: whoever is made a member need not know the password of the room, nor
        need whoever was refused.
        """
        jid = occupant.jid
        if occupant.affiliation == OUTCAST and jids.domain(jid) in self._hosts:
            self.note(occupant)
        elif occupant.affiliation == NONE:
            with self._changing(occupant.room) as changes:
                known = changes.occupants.get(jid)
                if known is None:
                    changes.removed[jid] = replace(occupant, heard_at=self._began)
                elif known.affiliation in _MEMBERS:
                    changes.occupants[jid] = replace(occupant, heard_at=self._began)

    def note_new(self, room: str, at: int) -> None:
        """Take that a room was made at that time, in microseconds; it will be written."""
        self._drop(room)
        with self._changing(room) as changes:
            changes.made = at
        self._settled[room] = False
        self._info.forget(room)
        self._look_at(room)
        self._on_another(room)

    def forget(self, owner: str) -> None:
        """Forget a user, or a room, that was erased."""
        self._drop(owner)
        self._settled.pop(owner, None)
        for changes in self._unwritten.values():
            size = len(changes)
            changes.occupants.pop(owner, None)
            changes.removed.pop(owner, None)
            self._count += len(changes) - size

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
                    await self._ask_for_itself(room)
            if self._stopping:
                return

    @property
    def backlog(self) -> int:
        """How much is not written yet."""
        return self._count

    def stop(self) -> None:
        """Let `run` return once all is written, or the store fails."""
        self._stopping = True
        self._wake.set()

    def _look_at(self, room: str) -> None:
        """Have a room asked whether it is persistent."""
        if len(self._unasked) < UNASKED_MAX:
            self._unasked[room] = None
            self._wake.set()

    async def _ask_for_itself(self, room: str) -> None:
        try:
            await self._ask(room)
        except StorageError as error:
            log.error("what is known of %s cannot be read: %s", room, error)

    async def _ask(self, room: str) -> frozenset[str] | None:
        """Return the features of a room, None where it does not answer, and learn from them.

        Raises StorageError.
        """
        began = self._began
        features = await self._info.features(room)
        if features is not None:
            known = None if room in self._settled else await self._known(room)
            if began == self._began:
                self._learn(room, _PERSISTENT in features, known)
        # Else it may be another room by now.
        return features if began == self._began else None

    async def _known(self, room: str) -> bool:
        """Return whether a room was last known to be persistent. Raises StorageError."""
        await self._write(room)
        return (await self._records.room(room)).is_persistent

    def _learn(self, room: str, is_persistent: bool, known: bool | None) -> None:
        """Take whether a room is persistent, and so whether it is the one from before.

        `known` is whether it was before, as far as that has to be decided.
        """
        was_persistent = self._settled.get(room, False)
        if room not in self._settled:
            was_persistent = bool(known)
            if self._began and not (is_persistent and was_persistent):
                self._doubt(room)
                was_persistent = False
        self._settled[room] = is_persistent
        if is_persistent != was_persistent:
            with self._changing(room) as changes:
                changes.is_persistent = is_persistent

    def _doubt(self, room: str) -> None:
        """Take a room for one that was made when the connection came up.

        What was heard before goes. Who was banned before stays so: should it be the same room, it
        would not let him in.
        """
        with self._changing(room) as changes:
            if changes.made is None:
                changes.made, changes.keeps_banned = self._began, True
            changes.is_persistent = None
        self._on_another(room)

    @contextmanager
    def _changing(self, room: str) -> Iterator[_Changes]:
        """Lend what waits to be written of a room, to add to it."""
        if self._count >= UNWRITTEN_MAX:
            self._give_up()
        changes = self._unwritten.get(room)
        size = 0 if changes is None else len(changes)
        if changes is None:
            changes = self._unwritten[room] = _Changes()
        yield changes
        changes.version += 1
        self._count += len(changes) - size
        self._wake.set()

    def _give_up(self) -> None:
        """Forget what waits, as if it had never been heard: rooms may be others by now."""
        log.error("too much of rooms waits to be written: taken for an interruption")
        self._unwritten.clear()
        self._count = 0
        self.begin(now())

    def _drop(self, room: str) -> None:
        changes = self._unwritten.pop(room, None)
        if changes is not None:
            self._count -= len(changes)

    async def _write_one(self) -> bool:
        """Write what came first; return whether the store took it, or never will."""
        room = next(iter(self._unwritten))
        try:
            await self._write(room)
        except Rejected:
            log.error("the store refuses what is known of %s", room)
            self._drop(room)
        except StorageError as error:
            log.error("what users are in rooms cannot be written: %s", error)
            if not self._stopping:
                await asyncio.sleep(RETRY_SECONDS)
            return False
        return True

    async def _write(self, room: str) -> None:
        """Write what waits of a room. Raises StorageError."""
        async with self._writing:
            changes = self._unwritten.get(room)
            if changes is None:
                return
            version = changes.version
            await self._records.change_room(changes.of(room))
            # More may have been heard while it was written.
            if self._unwritten.get(room) is changes and changes.version == version:
                self._drop(room)
