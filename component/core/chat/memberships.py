"""Who is a member of which room: the room itself says so, and the store has what it said last.

A room is asked in the name of a user who may be a member, through the session of the user: it
answers its members alone (XEP-0045 section 9.5). The answer counts for some seconds, and no longer
once we see a change: in presences and messages of the room, and in IQs of its owners.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import TTLCache

from component.core.access.principals import User
from component.core.access.rooms import NONE, RoomInfo, Rooms
from component.core.chat import muc
from component.core.chat.following.signals import Signals
from component.core.errors import ItemNotFound, Refused, ServerUnreachable
from component.core.hosts import Hosts
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import Undelivered
from component.core.sessions.queries import UserQueries
from component.core.store_errors import translated
from component.core.xml.jids import local
from storage.interface import RoomsStore
from storage.rows import Membership, Occupant

log = logging.getLogger(__name__)

#: Rooms whose members are remembered.
REMEMBERED_MAX = 2000

#: Users of whom we saw that they were invited to rooms, and seconds for which that is remembered.
INVITED_MAX = 10_000
INVITED_SECONDS = 24 * 3600.0

#: Rooms that invited one user, and are asked at the next list: anybody may write an invitation.
INVITED_ROOMS_MAX = 10

#: Rooms that are looked at once to bring a list of memberships up to date, and seconds until a
#: room is looked at again for that.
REFRESHED_AT_ONCE = 10
REFRESH_SECONDS = 300.0

NO_ROOM = "There is no such room, or you are not a member of it."

#: Conditions by which a room refuses strangers, or a service that has no such room.
_REFUSALS = frozenset({"forbidden", "not-allowed", "registration-required"})
_NO_ROOM = frozenset({"item-not-found", "gone"})

#: Affiliations in the order of rights.
AFFILIATIONS = ("owner", "admin", "member")
OUTCAST = "outcast"


@dataclass(frozen=True, slots=True)
class RoomMembers:
    """A room, and its members as it names them."""

    room: str
    name: str
    affiliations: Mapping[str, str]  #: by bare JID: owner, admin or member
    outcasts: frozenset[str] = frozenset()  #: users who are banned
    is_complete: bool = True  #: False: the room hides its members from the one who asked

    def with_affiliation(self, *affiliations: str) -> list[str]:
        """Return the JIDs of those with one of some affiliations, sorted."""
        return sorted(jid for jid in self.affiliations if self.affiliations[jid] in affiliations)


@dataclass(slots=True, eq=False)
class _Asking:
    """A question to a room that is not answered yet."""

    is_outdated: bool = False  #: whether the room has changed since


class Memberships:
    """Asks rooms for their members. Every method raises Overloaded."""

    def __init__(
        self,
        rooms: Rooms,
        store: RoomsStore,
        info: RoomInfo,
        queries: UserQueries,
        actions: SessionActions,
        hosts: Hosts,
        signals: Signals,
        *,
        fresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rooms` notes what rooms say; `fresh_seconds` is how long an answer counts."""
        self._rooms = rooms
        self._store = store
        self._info = info
        self._queries = queries
        self._actions = actions
        self._hosts = hosts
        self._signals = signals
        self._asked: TTLCache[str, RoomMembers] = TTLCache(REMEMBERED_MAX, fresh_seconds, clock)
        self._refreshed: TTLCache[tuple[str, str], None] = TTLCache(
            REMEMBERED_MAX, REFRESH_SECONDS, clock
        )
        self._invited: TTLCache[str, frozenset[str]] = TTLCache(
            INVITED_MAX, INVITED_SECONDS, clock
        )
        self._is_noting = False  # whether what is noted is the answer of a room
        self._asking: dict[str, list[_Asking]] = {}  # by room
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_admin: list[Callable[[User, RoomMembers], Awaitable[None]]] = []
        rooms.listen(self)

    def listen_admins(self, on_admin: Callable[[User, RoomMembers], Awaitable[None]]) -> None:
        """Call a function with each room that has named its members to an owner or an admin."""
        self._on_admin.append(on_admin)

    async def of(self, user: User, room: str) -> RoomMembers:
        """Return a room and its members. Raises ItemNotFound if the user is not a member.

        Raises NotAuthorized if the user has no session.
        """
        # Before the question: the departure ends as soon as the room has removed the user.
        if user.jid in await self.departed(room):
            raise ItemNotFound(NO_ROOM)
        members = self._asked.get(room)
        if members is None or user.jid not in members.affiliations:
            members = await self.ask(user, room)
        return members

    async def departed(self, room: str) -> frozenset[str]:
        """Return the users who have left a room, of which they may still be members."""
        with translated():
            return await self._store.departed(room)

    async def ask(self, user: User, room: str) -> RoomMembers:
        """Return a room and its members as it says now. Raises as `of` does."""
        if not self._hosts.is_room(room):
            raise ItemNotFound(NO_ROOM)
        asking = _Asking()
        self._asking.setdefault(room, []).append(asking)
        try:
            members = await self._ask(user, room)
        finally:
            self._asking[room].remove(asking)
            if not self._asking[room]:
                del self._asking[room]
        if user.jid not in members.affiliations:
            raise ItemNotFound(NO_ROOM)
        if members.is_complete and not asking.is_outdated:
            self._asked[room] = members
        if members.affiliations[user.jid] in ("owner", "admin"):
            for on_admin in self._on_admin:
                await on_admin(user, members)
        return members

    async def of_user(self, user: User) -> tuple[Membership, ...]:
        """Return the known memberships of a user in rooms with an archive here.

        Rooms that were not asked lately are asked meanwhile, and those that invited the user.
        """
        memberships = [row for row in await self.stored(user.jid) if self._hosts.is_room(row.room)]
        for room in self._invited.pop(user.jid, frozenset()) - {row.room for row in memberships}:
            try:
                members = await self.of(user, room)
            except ItemNotFound:
                continue
            except Refused:
                # The room is asked again the next time.
                self.invited(room, user.jid)
                continue
            affiliation = members.affiliations[user.jid]
            memberships.append(
                Membership(room=room, jid=user.jid, affiliation=affiliation, name=members.name)
            )
        self._refresh(user, [row.room for row in memberships])
        return tuple(sorted(memberships, key=lambda row: row.room))

    async def stored(self, jid: str) -> tuple[Membership, ...]:
        """Return the memberships of a user as the store has them."""
        return await self._rooms.memberships(jid)

    async def lost(self, jid: str) -> Mapping[str, int]:
        """Return rooms that have removed a user, with the time in microseconds if it is known."""
        return await self._rooms.lost(jid)

    def note_affiliations(
        self, room: str, affiliations: Mapping[str, str], *, lost_at: int = 0
    ) -> None:
        """Note affiliations that a room has accepted from one of its owners or admins.

        `lost_at` is when it was asked to remove a member, in microseconds; 0: see `Occupant`.
        """
        for jid, affiliation in affiliations.items():
            if self._hosts.is_user(jid):
                occupant = Occupant(room=room, jid=jid, affiliation=affiliation, lost_at=lost_at)
                self._rooms.note(occupant)
        self.room_changed(room)

    def room_changed(self, room: str) -> None:
        """Forget what a room has said, because it has changed."""
        members = self._asked.pop(room, None)
        for asking in self._asking.get(room, ()):
            asking.is_outdated = True
        self._signals.note_room(room)
        if members is not None:
            self._signals.note_rooms(list(members.affiliations))

    def forget(self, owner: str) -> None:
        """Forget what is in memory about a user or a room that was erased."""
        self._invited.pop(owner, None)
        self.room_changed(owner)

    async def close(self) -> None:
        """Stop to ask."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def affiliation_changed(self, room: str, jid: str, affiliation: str) -> None:
        """Forget what a room has said, if it said something else about a user."""
        members = self._asked.get(room)
        is_other = members is None or members.affiliations.get(jid, NONE) != affiliation
        if is_other and not self._is_noting:
            self.room_changed(room)
            self._signals.note_rooms([jid])

    def affiliation_granted(self, room: str, jid: str, affiliation: str) -> None:
        """Let a user who has left a room be a member again."""
        if affiliation in AFFILIATIONS:
            self._start(self._return(room, jid))

    def invited(self, room: str, jid: str) -> None:
        """Ask a room when its invited user looks at rooms the next time."""
        before = self._invited.get(jid, frozenset())
        is_ours = self._hosts.is_room(room) and self._hosts.is_user(jid)
        if is_ours and len(before) < INVITED_ROOMS_MAX:
            self._invited[jid] = before | {room}
            self._signals.note_rooms([jid])

    async def _ask(self, user: User, room: str) -> RoomMembers:
        async def affiliated(affiliation: str) -> Iterable[str]:
            query, _ = await self._queries.get(user, muc.get_affiliated(affiliation), room)
            return muc.affiliated(query)

        try:
            (*members_lists, outcasts), (info, _) = await asyncio.gather(
                asyncio.gather(*map(affiliated, (*AFFILIATIONS, OUTCAST))),
                self._queries.get(user, muc.GET_FEATURES, room),
            )
        except Undelivered as refusal:
            if refusal.by and refusal.condition in _NO_ROOM:
                await self._note_lost(user, room)
                raise ItemNotFound(NO_ROOM) from refusal
            if refusal.by and refusal.condition in _REFUSALS:
                return await self._as_occupant(user, room)
            raise
        affiliations = {
            jid: affiliation
            for affiliation, jids in zip(AFFILIATIONS, members_lists, strict=True)
            for jid in jids
        }
        name = muc.name_of(info) or local(room)
        members = RoomMembers(room, name, affiliations, frozenset(outcasts))
        await self._note(members)
        return members

    async def _as_occupant(self, user: User, room: str) -> RoomMembers:
        """Return what a room says that hides its members from members, by entering it."""
        features = await self._info.features(room)
        if features is None:
            raise ServerUnreachable
        if "muc_nonanonymous" in features:
            await self._note_lost(user, room)
            raise ItemNotFound(NO_ROOM)
        try:
            await self._actions.enter(user, room)
        except Undelivered as refusal:
            raise ItemNotFound(NO_ROOM) from refusal
        stored = {row.jid: row for row in await self._rooms.members(room)}
        if user.jid not in stored:
            raise ItemNotFound(NO_ROOM)
        own = stored[user.jid]
        return RoomMembers(
            room, own.name or local(room), {user.jid: own.affiliation}, is_complete=False
        )

    async def _note(self, members: RoomMembers) -> None:
        """Write down what has changed since the room was asked last."""
        room, affiliations = members.room, members.affiliations
        stored = await self._rooms.members(room)
        before = {row.jid: row.affiliation for row in stored}
        asked = {jid: affiliations[jid] for jid in affiliations if self._hosts.is_user(jid)}
        removed = {
            jid: OUTCAST if jid in members.outcasts else NONE for jid in before.keys() - asked
        }
        now = asked | removed
        changed = {jid: now[jid] for jid in now if before.get(jid) != now[jid]}
        self._is_noting = True
        for jid, affiliation in changed.items():
            self._rooms.note(Occupant(room=room, jid=jid, affiliation=affiliation))
        self._is_noting = False
        if any(row.name != members.name for row in stored) or (asked and not stored):
            self._rooms.note_name(room, members.name)
            changed = asked
        self._signals.note_rooms(list(changed))
        for jid in await self.departed(room) - affiliations.keys():
            # An owner has removed the user. A later membership is a new one.
            with translated():
                await self._store.set_departed(room, jid, False)

    async def _note_lost(self, user: User, room: str) -> None:
        """Write down that a room does not know a user, who was a member when it was asked last."""
        if any(row.jid == user.jid for row in await self._rooms.members(room)):
            self._rooms.note(Occupant(room=room, jid=user.jid, affiliation=NONE))

    def _refresh(self, user: User, rooms: Iterable[str]) -> None:
        """Ask rooms in the background that were not asked lately."""
        due = [room for room in rooms if (user.jid, room) not in self._refreshed]
        due = [room for room in due if room not in self._asked][:REFRESHED_AT_ONCE]
        for room in due:
            self._refreshed[user.jid, room] = None
        if due:
            self._start(self._ask_all(user, due))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _return(self, room: str, jid: str) -> None:
        try:
            with translated():
                await self._store.set_departed(room, jid, False)
        except Refused as refused:
            log.error("the return of %s to %s is not written: %s", jid, room, refused.message)
        self._signals.note_rooms([jid])

    async def _ask_all(self, user: User, rooms: Iterable[str]) -> None:
        for room in rooms:
            try:
                await self.ask(user, room)
            except ItemNotFound:
                # The user is not a member any more, whatever we saw last.
                self._rooms.note(Occupant(room=room, jid=user.jid, affiliation=NONE))
            except Refused as refused:
                log.debug("%s is not asked for its members: %s", room, refused.message)
                return
