"""XEP-0045: Multi-User Chat, version 1.35.5. Decide who may read the archive of a room.

Rooms send us nothing, but we see copies of the presences that they send to our users: the
affiliation of the user, and to moderators the removal of others. The store keeps these
affiliations. At a query we ask the room whom it admits now (XEP-0313 section 5.1.2). Occupants of
a re-created room read nothing of its predecessor with the same name.

While the connection is down we see no copies, and a stranger may re-create a room. If a room was
persistent before and still is, it counts as the same room. Any other room counts as created when
the connection came up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from cachetools import LRUCache

from component.core.hosts import Hosts
from component.core.store_errors import translated
from component.core.xml import jids
from component.core.xml.times import now
from storage.errors import Rejected, StorageError
from storage.interface import RoomsStore
from storage.rows import Membership, Occupant, RoomChanges

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0

OUTCAST, NONE = "outcast", "none"
MEMBERS = frozenset({"member", "admin", "owner"})
AFFILIATIONS = MEMBERS | {NONE, OUTCAST}

#: XEP-0045 section 15.5: the room continues to exist without occupants.
_PERSISTENT = "muc_persistent"

#: The maximum number of rooms that wait for our query; we ask others at their next presence.
UNASKED_MAX = 1000

#: The maximum number of rooms of which we remember that they are the same, and their persistence.
REMEMBERED_MAX = 50_000

#: The maximum number of rooms in a list of those that have removed a member.
LOST_MAX = 200

#: The maximum number of changes of rooms and affiliations that wait for the store.
UNWRITTEN_MAX = 50_000


class RoomInfo(Protocol):
    """Asks the XMPP server about its rooms."""

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room (XEP-0045 section 6.4), None if it does not answer."""
        ...

    def forget(self, room: str) -> None:
        """Invalidate the remembered features of a room: they have changed."""
        ...


class RoomListener(Protocol):
    """Hears of changes of rooms. All addresses are bare JIDs."""

    def room_changed(self, room: str) -> None:
        """Anything about a room may have changed."""
        ...

    def affiliation_changed(self, room: str, jid: str, affiliation: str) -> None:
        """A user has this affiliation, or no membership any more; it may be the same as before."""
        ...

    def affiliation_granted(self, room: str, jid: str, affiliation: str) -> None:
        """An owner or an admin of a room has given a user this affiliation."""
        ...

    def invited(self, room: str, jid: str) -> None:
        """Somebody has invited a user to a room, which may have made the user a member."""
        ...


@dataclass(slots=True)
class _Changes:
    """Changes of one room that are not written yet."""

    created_at: int | None = None
    keeps_banned: bool = False
    is_persistent: bool | None = None
    name: str | None = None
    occupants: dict[str, Occupant] = field(default_factory=dict)
    #: users who lose the membership if they had one
    removed: dict[str, Occupant] = field(default_factory=dict)
    version: int = 0  #: how often changes were added

    def __len__(self) -> int:
        """Return the number of changes, for the bound on all of them."""
        return 1 + len(self.occupants) + len(self.removed)

    def set(self, occupant: Occupant) -> None:
        """Set the affiliation of a user; of several times of a removal the first one counts."""
        jid = occupant.jid
        before = self.removed.pop(jid, None) or self.occupants.get(jid)
        if before is not None and before.affiliation not in MEMBERS:
            occupant = replace(occupant, lost_at=min(before.lost_at, occupant.lost_at))
        self.occupants[jid] = occupant

    @property
    def is_of_room(self) -> bool:
        """Whether these are changes of all memberships, or of the name."""
        return self.created_at is not None or self.name is not None

    def of(self, room: str) -> RoomChanges:
        """Return the changes of a room for the store."""
        return RoomChanges(
            room=room,
            created_at=self.created_at,
            keep_banned=self.keeps_banned,
            is_persistent=self.is_persistent,
            name=self.name,
            occupants=tuple(self.occupants.values()),
            removed=tuple(self.removed.values()),
        )


class Rooms:
    """Tracks the affiliations of our users in rooms, and decides who may read a room's archive."""

    def __init__(
        self,
        hosts: Hosts,
        store: RoomsStore,
        info: RoomInfo,
        *,
        on_replaced: Callable[[str], None] = lambda _: None,
        on_made: Callable[[str], None] = lambda _: None,
        remembered_max: int = REMEMBERED_MAX,
        unwritten_max: int = UNWRITTEN_MAX,
    ) -> None:
        """`on_replaced` is called with each room that is not its predecessor of the same name.

        `on_made` is called with each room that we have created.

        `remembered_max` bounds the rooms in memory, `unwritten_max` the changes that wait.
        """
        self._hosts = hosts
        self._store = store
        self._info = info
        self._on_replaced = on_replaced
        self._on_made = on_made
        self._listeners: list[RoomListener] = []
        self._began = 0  # when the connection came up, microseconds
        #: rooms of this connection that were compared with their past: whether each is persistent
        self._settled: LRUCache[str, bool] = LRUCache(remembered_max)
        self._made: LRUCache[str, None] = LRUCache(remembered_max)  # rooms that we have created
        self._unasked: dict[str, None] = {}  # rooms to ask whether they are persistent
        self._unwritten: OrderedDict[str, _Changes] = OrderedDict()
        self._unwritten_max = unwritten_max
        self._count = 0  # changes in `_unwritten`
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopping = False

    def listen(self, listener: RoomListener) -> None:
        """Tell a listener about each change of a room from now on."""
        self._listeners.append(listener)

    def has_archive(self, address: str) -> bool:
        """Return whether an address is that of a room with an archive here."""
        return self._hosts.is_room(address)

    async def admits(self, requester: str, room: str) -> bool:
        """Return whether a room would admit a bare JID now: then it may read the room's archive.

        Raises Overloaded.
        """
        with translated():
            features = await self._ask(room)
            await self._write(room)
            affiliation = await self._store.affiliation(room, requester)
        if affiliation == OUTCAST or jids.domain(requester) not in self._hosts:
            return False
        if features is None:
            return False
        if "muc_membersonly" in features:
            return affiliation in MEMBERS
        if "muc_passwordprotected" in features:
            return affiliation is not None
        return True

    async def since(self, room: str) -> int:
        """Return when a room was created, microseconds; 0 if that is not known.

        Raises Overloaded.
        """
        with translated():
            await self._write(room)
            return (await self._store.get(room)).created_at

    async def memberships(self, jid: str) -> tuple[Membership, ...]:
        """Return the known memberships of a user. Raises Overloaded."""
        with translated():
            for room, changes in list(self._unwritten.items()):
                if jid in changes.occupants or jid in changes.removed or changes.is_of_room:
                    await self._write(room)
            return await self._store.memberships(jid)

    async def lost(self, jid: str) -> Mapping[str, int]:
        """Return rooms that have removed a user, with the time in microseconds.

        They are the last LOST_MAX ones of which the time is known. Raises Overloaded.
        """
        with translated():
            for room, changes in list(self._unwritten.items()):
                if jid in changes.occupants or jid in changes.removed:
                    await self._write(room)
            return await self._store.lost(jid, limit=LOST_MAX)

    async def members(self, room: str) -> tuple[Membership, ...]:
        """Return the known members, admins and owners of a room. Raises Overloaded."""
        with translated():
            await self._write(room)
            return await self._store.members(room)

    def note_name(self, room: str, name: str) -> None:
        """Note the name of a room, for people."""
        with self._changing(room) as changes:
            changes.name = name

    def note_connected(self, at: int) -> None:
        """Note that the connection came up at a time (microseconds): rooms may be re-created."""
        self._began = at
        self._settled.clear()
        self._made.clear()

    def note_changed(self, room: str) -> None:
        """Note that the configuration of a room has changed."""
        self._info.forget(room)
        self._ask_later(room)
        for listener in self._listeners:
            listener.room_changed(room)

    def note_granted(self, occupant: Occupant) -> None:
        """Note the affiliation that an owner or an admin of a room has given to a user of ours."""
        self.note(occupant)
        for listener in self._listeners:
            listener.affiliation_granted(occupant.room, occupant.jid, occupant.affiliation)

    def note_invited(self, room: str, jid: str) -> None:
        """Note that somebody has invited one of our users to a room."""
        for listener in self._listeners:
            listener.invited(room, jid)

    def note(self, occupant: Occupant) -> None:
        """Note the affiliation of one of our users in a room; it will be written."""
        room = occupant.room
        if room not in self._settled:
            self._ask_later(room)
        with self._changing(room) as changes:
            changes.set(replace(occupant, heard_at=self._began))
        self._tell(room, occupant.jid, occupant.affiliation)

    def note_absent(self, occupant: Occupant) -> None:
        """Note that a user who is not in a room has lost membership, or was banned.

        Only losses count here: a user who becomes a member, or is refused, may not know the room's
        password.
        """
        jid = occupant.jid
        if occupant.affiliation == OUTCAST and jids.domain(jid) in self._hosts:
            self.note(occupant)
        elif occupant.affiliation == NONE:
            with self._changing(occupant.room) as changes:
                unwritten = changes.occupants.get(jid)
                if unwritten is None:
                    changes.removed.setdefault(jid, replace(occupant, heard_at=self._began))
                elif unwritten.affiliation in MEMBERS:
                    changes.set(replace(occupant, heard_at=self._began))
            self._tell(occupant.room, jid, NONE)

    def note_made(self, room: str, at: int) -> None:
        """Note that we have created a room at a time (microseconds)."""
        self.note_created(room, at)
        self._made[room] = None
        self._on_made(room)

    def made_elsewhere(self, room: str) -> None:
        """Note that another process has created a room: it writes that the room is new."""
        self._made[room] = None
        self._settled[room] = False
        self._info.forget(room)

    def changed_elsewhere(self, room: str) -> None:
        """Note that another process has written that a room has changed."""
        self._info.forget(room)
        for listener in self._listeners:
            listener.room_changed(room)

    def is_made(self, room: str) -> bool:
        """Return whether a room is the one that we have created on this connection.

        Its service tells the first occupant later that the room is new.
        """
        return room in self._made

    def note_created(self, room: str, at: int) -> None:
        """Note that a room was created at a time (microseconds); it will be written."""
        self._made.pop(room, None)
        self._discard(room)
        with self._changing(room) as changes:
            changes.created_at = at
        self._settled[room] = False
        self._info.forget(room)
        self._ask_later(room)
        self._on_replaced(room)
        for listener in self._listeners:
            listener.room_changed(room)

    def forget(self, owner: str) -> None:
        """Discard unwritten changes of a user or a room that was erased."""
        self._discard(owner)
        self._settled.pop(owner, None)
        for changes in self._unwritten.values():
            size = len(changes)
            changes.occupants.pop(owner, None)
            changes.removed.pop(owner, None)
            self._count += len(changes) - size

    async def run(self) -> None:
        """Write changes until `stop` was called and none waits, or the store fails after it."""
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
                    await self._ask_logged(room)
            if self._stopping:
                return

    @property
    def backlog(self) -> int:
        """The number of changes that are not written yet."""
        return self._count

    def stop(self) -> None:
        """Let `run` return once every change is written, or the store fails."""
        self._stopping = True
        self._wake.set()

    def _tell(self, room: str, jid: str, affiliation: str) -> None:
        for listener in self._listeners:
            listener.affiliation_changed(room, jid, affiliation)

    def _ask_later(self, room: str) -> None:
        """Have `run` ask a room whether it is persistent."""
        if len(self._unasked) < UNASKED_MAX:
            self._unasked[room] = None
            self._wake.set()

    async def _ask_logged(self, room: str) -> None:
        try:
            await self._ask(room)
        except StorageError as error:
            log.error("the record of room %s cannot be read: %s", room, error)

    async def _ask(self, room: str) -> frozenset[str] | None:
        """Return the features of a room, None if it does not answer, and learn from them.

        Raises StorageError.
        """
        began = self._began
        features = await self._info.features(room)
        if features is not None:
            was_persistent = room not in self._settled and await self._was_persistent(room)
            if began == self._began:
                self._learn(room, _PERSISTENT in features, was_persistent)
        # After a reconnect it may be another room.
        return features if began == self._began else None

    async def _was_persistent(self, room: str) -> bool:
        """Return whether the store has a room as persistent. Raises StorageError."""
        await self._write(room)
        return (await self._store.get(room)).is_persistent

    def _learn(self, room: str, is_persistent: bool, was_persistent: bool) -> None:
        """Note whether a room is persistent, and decide whether it is still the same room.

        `was_persistent` is from the store; it counts only for a room that is not compared yet.
        """
        if room in self._settled:
            was_persistent = self._settled[room]
        elif self._began and not (is_persistent and was_persistent):
            self._replace(room)
            was_persistent = False
        self._settled[room] = is_persistent
        if is_persistent != was_persistent:
            with self._changing(room) as changes:
                changes.is_persistent = is_persistent

    def _replace(self, room: str) -> None:
        """Treat a room as created when the connection came up.

        Earlier affiliations end, but bans stay: if the room is the same after all, it still bans
        these users.
        """
        with self._changing(room) as changes:
            if changes.created_at is None:
                changes.created_at, changes.keeps_banned = self._began, True
            changes.is_persistent = None
        self._on_replaced(room)

    @contextmanager
    def _changing(self, room: str) -> Iterator[_Changes]:
        """Return the unwritten changes of a room, to add to them within the block."""
        if self._count >= self._unwritten_max:
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
        """Discard all unwritten changes, as if the connection had just come up."""
        log.error("too many changes of rooms wait for the store: they count as never seen")
        self._unwritten.clear()
        self._count = 0
        self.note_connected(now())

    def _discard(self, room: str) -> None:
        changes = self._unwritten.pop(room, None)
        if changes is not None:
            self._count -= len(changes)

    async def _write_one(self) -> bool:
        """Write the oldest change; return whether the store accepted or refused it for good."""
        room = next(iter(self._unwritten))
        try:
            await self._write(room)
        except Rejected:
            log.error("the store refuses the record of room %s", room)
            self._discard(room)
        except StorageError as error:
            log.error("the record of room %s cannot be written: %s", room, error)
            if not self._stopping:
                await asyncio.sleep(RETRY_SECONDS)
            return False
        return True

    async def _write(self, room: str) -> None:
        """Write the unwritten changes of a room. Raises StorageError."""
        async with self._writing:
            changes = self._unwritten.get(room)
            if changes is None:
                return
            version = changes.version
            await self._store.change(changes.of(room))
            # Changes may have been added during the write.
            if self._unwritten.get(room) is changes and changes.version == version:
                self._discard(room)
