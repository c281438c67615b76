"""Rooms of users: persistent rooms of ejabberd, which only their members may enter and read.

A user makes and changes a room through the own session, as any client of the user would. So the
room decides what the user may do.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal
from uuid import uuid4

from component.core.access.principals import User
from component.core.access.rooms import NONE, Rooms
from component.core.chat import muc
from component.core.chat.directory import Directory
from component.core.chat.following.live import MemberRoom
from component.core.chat.memberships import Memberships, RoomMembers
from component.core.chat.settings import ChatSettings
from component.core.errors import (
    BadRequest,
    Conflict,
    ItemNotFound,
    NotAllowed,
    NotImplementedHere,
    Refused,
)
from component.core.hosts import Hosts
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.outgoing import Invitations, Outgoing, nick_of
from component.core.sessions.queries import UserQueries
from component.core.store_errors import translated
from component.core.xml.jids import domain, local
from component.core.xml.times import now
from storage.interface import Storage
from storage.rows import Membership

log = logging.getLogger(__name__)

#: The greatest length of the name of a room.
NAME_MAX = 100

#: Random bytes of the local part of a room.
_LOCAL_BYTES = 10

#: The number of admins whose sessions are tried to remove a user who has left.
_TRIED_MAX = 5

#: Tasks in the background; with more, invitations are not sent and departures wait.
_TASKS_MAX = 200

#: Seconds for sending invitations to the members of a room.
_INVITING_SECONDS = 30.0

Affiliation = Literal["owner", "admin", "member"]


class ChatRooms:
    """Makes, lists and changes rooms for users.

    Every method raises ItemNotFound for a room of which the user is not a member, Undelivered if
    the room refuses, NotAuthorized if the user has no session, Overloaded.
    """

    def __init__(
        self,
        rooms: Rooms,
        memberships: Memberships,
        storage: Storage,
        directory: Directory,
        queries: UserQueries,
        actions: SessionActions,
        sessions: ClientSessions,
        hosts: Hosts,
        settings: ChatSettings,
    ) -> None:
        self._rooms = rooms
        self._memberships = memberships
        self._store = storage.rooms
        self._archive = storage.archive
        self._directory = directory
        self._queries = queries
        self._actions = actions
        self._sessions = sessions
        self._hosts = hosts
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        memberships.listen_admins(self._finish_departures)

    def is_room(self, jid: str) -> bool:
        """Return whether a bare JID is that of a room with an archive here, existing or not."""
        return self._hosts.is_room(jid)

    async def memberships(self, user: User) -> tuple[Membership, ...]:
        """Return the memberships of a user, by the JIDs of the rooms."""
        return await self._memberships.of_user(user)

    async def member_rooms(self, user: str) -> Sequence[MemberRoom]:
        """Return the rooms of which a user is a member, in the order of their JIDs."""
        return [
            MemberRoom(jid=row.room, name=row.name or local(row.room), affiliation=row.affiliation)
            for row in await self._memberships.stored(user)
            if self._hosts.is_room(row.room)
        ]

    async def lost_rooms(self, user: str) -> Mapping[str, int]:
        """Return rooms that have removed a user, with the time in microseconds if it is known."""
        return await self._memberships.lost(user)

    async def is_member(self, user: str, room: str) -> bool:
        """Return whether a user counts as a member of a room, as far as the store knows."""
        return any(row.room == room for row in await self._memberships.stored(user))

    async def get(self, user: User, room: str) -> RoomMembers:
        """Return a room and its members."""
        members = await self._memberships.of(user, room)
        await self._finish_departures(user, members)
        return await self._present(members)

    async def create(self, user: User, name: str, members: Collection[str]) -> RoomMembers:
        """Make a room with a user as its owner, and invite others, bare JIDs.

        Raises BadRequest, NotImplementedHere if there is no place for rooms.
        """
        check_name(name)
        invited = sorted(set(members) - {user.jid})
        await self._check_new(invited)
        self.check_size(len(invited) + 1)
        service = self.service(user)
        options = await self._offered(user, service, name)
        room = _new_address(service)
        self._rooms.note_made(room, now())
        try:
            await self._queries.set(user, muc.configuration(options), room)
            if invited:
                await self._queries.set(user, muc.set_affiliations(invited, "member"), room)
        except Refused:
            with suppress(Refused):
                await self._queries.set(user, muc.DESTROY, room)
            raise
        self._rooms.note_changed(room)
        self._rooms.note_name(room, name)
        affiliations = {user.jid: "owner", **dict.fromkeys(invited, "member")}
        self._memberships.note_affiliations(room, affiliations)
        await self._subscribe(user, room, affiliations)
        self._invite(user, room, invited)
        return RoomMembers(room, name, affiliations)

    async def rename(self, user: User, room: str, name: str) -> RoomMembers:
        """Give a room another name; its owners may."""
        check_name(name)
        await self._memberships.of(user, room)
        await self._queries.set(user, muc.with_name(name), room)
        self._rooms.note_name(room, name)
        self._memberships.room_changed(room)
        return await self.get(user, room)

    async def destroy(self, user: User, room: str) -> None:
        """Destroy a room; its owners may. Its archive stays, and nobody reads it any more."""
        await self._memberships.of(user, room)
        await self._queries.set(user, muc.DESTROY, room)
        # A later room of this name is another one.
        self._rooms.note_created(room, now())

    async def set_affiliation(
        self, user: User, room: str, jid: str, affiliation: Affiliation
    ) -> RoomMembers:
        """Make a user a member, an admin or an owner, and invite a new one.

        Raises BadRequest for a user who does not exist.
        """
        members = await self._memberships.of(user, room)
        is_new = jid not in members.affiliations or jid in await self._memberships.departed(room)
        if is_new:
            await self._check_new([jid])
            self.check_size(len(members.affiliations.keys() | {jid}))
        await self.admit(user, room, jid, affiliation)
        if is_new:
            await self._subscribe(user, room, [jid])
            self._invite(user, room, [jid])
        return await self.get(user, room)

    async def admit(self, admin: User, room: str, jid: str, affiliation: Affiliation) -> None:
        """Give a user an affiliation through the session of an admin."""
        await self._queries.set(admin, muc.set_affiliations([jid], affiliation), room)
        with translated():
            await self._store.set_departed(room, jid, False)
            # Whoever joins later need not read what was said before.
            await self._archive.read_rooms(room, [jid])
        self._memberships.note_affiliations(room, {jid: affiliation})

    async def remove(self, user: User, room: str, jid: str) -> None:
        """Remove a member; with the own JID the user leaves.

        Raises ItemNotFound if there is no such member, Conflict for the only owner.
        """
        members = await self._present(await self._memberships.of(user, room))
        if jid not in members.affiliations:
            raise ItemNotFound(f"{jid} is not a member of this room.")
        if jid == user.jid:
            await self._leave(user, members)
            return
        asked_at = now()
        await self._queries.set(user, muc.set_affiliations([jid], NONE), room)
        self._memberships.note_affiliations(room, {jid: NONE}, lost_at=asked_at)
        if self._settings.subscribe_members:
            with suppress(Refused):
                await self._queries.set(user, muc.unsubscribe(jid), room)

    async def close(self) -> None:
        """Stop what runs in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._memberships.close()

    def service(self, user: User) -> str:
        """Return the service on which the rooms of a user are made. Raises NotImplementedHere."""
        services = self._hosts.room_services
        configured = self._settings.room_service
        if configured in services:
            return configured
        if configured is not None or not services:
            raise NotImplementedHere(
                "There is no place for rooms: archive.room_services has to name the room service."
            )
        own = [service for service in services if service.endswith(f".{domain(user.jid)}")]
        return next(iter(own), services[0])

    def check_size(self, members: int) -> None:
        """Raise Conflict if a room may not have so many members."""
        if members > self._settings.room_members_max:
            raise Conflict(f"A room has {self._settings.room_members_max} members at most.")

    async def _offered(self, user: User, service: str, name: str) -> dict[str, str]:
        """Return the options of a new room that a service offers to a user.

        Raises NotAllowed if it offers no private room.
        """
        # The question makes a room, which ejabberd ends after the answer because it is temporary
        # and empty. A request that follows to this address can get lost in the room that ends.
        form, _ = await self._queries.get(user, muc.GET_CONFIGURATION, _new_address(service))
        if len(muc.offered(form, muc.PRIVATE_ROOM)) < len(muc.PRIVATE_ROOM):
            raise NotAllowed(
                f"{service} lets you make no persistent room for its members alone "
                "(access_persistent in mod_muc)."
            )
        return muc.offered(form, {**muc.PRIVATE_ROOM, muc.NAME: name, **muc.EJABBERD_OPTIONS})

    async def _present(self, members: RoomMembers) -> RoomMembers:
        """Return a room without the members who have left it."""
        departed = await self._memberships.departed(members.room)
        affiliations = {
            jid: members.affiliations[jid] for jid in members.affiliations if jid not in departed
        }
        return RoomMembers(
            members.room, members.name, affiliations, members.outcasts, members.is_complete
        )

    async def _leave(self, user: User, members: RoomMembers) -> None:
        room = members.room
        if members.with_affiliation("owner") == [user.jid]:
            if len(members.affiliations) > 1:
                raise Conflict(
                    "You are the only owner: make another member an owner first, or delete the "
                    "room."
                )
            await self.destroy(user, room)
            return
        with translated():
            await self._store.set_departed(room, user.jid, True)
        owners = set(members.with_affiliation("owner"))
        if owners and owners <= await self._memberships.departed(room):
            # The other owners have left at the same moment.
            with translated():
                await self._store.set_departed(room, user.jid, False)
            raise Conflict("All owners leave at once: make another member an owner first.")
        self._actions.leave(user, room)
        self._memberships.room_changed(room)
        # Only owners and admins may change affiliations, also when a member leaves.
        admins = [
            User(jid)
            for jid in members.with_affiliation("owner", "admin")
            if self._hosts.is_user(jid)
        ]
        admins.sort(key=lambda admin: admin != user)
        self._later(self._remove_departed(room, user.jid, admins[:_TRIED_MAX]))

    async def _finish_departures(self, admin: User, members: RoomMembers) -> None:
        """Have an admin, who is here, remove those who have left."""
        if members.affiliations.get(admin.jid) in ("owner", "admin"):
            departed = await self._memberships.departed(members.room)
            for jid in departed & members.affiliations.keys():
                self._later(self._remove_departed(members.room, jid, [admin]))

    async def _remove_departed(self, room: str, jid: str, admins: Collection[User]) -> None:
        """Remove a user who has left, through the session of one of some admins."""
        for admin in admins:
            if jid not in await self._memberships.departed(room):
                # Somebody has removed the user meanwhile, or the user has come back.
                return
            try:
                await self._queries.set(admin, muc.set_affiliations([jid], NONE), room)
            except Refused as refused:
                log.debug("%s cannot remove %s: %s", admin.jid, jid, refused.message)
                continue
            self._memberships.note_affiliations(room, {jid: NONE})
            with translated():
                await self._store.set_departed(room, jid, False)
            return
        log.info("%s has left %s, whose owners are not here to remove the member", jid, room)

    async def _check_new(self, jids: Collection[str]) -> None:
        """Raise BadRequest for a user who does not exist."""
        for jid in jids:
            if self._hosts.is_room(jid) or not local(jid):
                raise BadRequest(f"{jid} is not the bare JID of a user")
            if self._hosts.is_user(jid) and not await self._directory.may_exist(jid):
                raise BadRequest(f"there is no user {jid}")

    async def _subscribe(self, user: User, room: str, jids: Collection[str]) -> None:
        """Subscribe members to the messages of a room, where that is configured (MUC/Sub)."""
        if not self._settings.subscribe_members:
            return
        for jid in jids:
            try:
                await self._queries.set(user, muc.subscribe(jid, nick_of(jid)), room)
            except Refused as refused:
                log.info("%s is not subscribed to %s: %s", jid, room, refused.message)
                return

    def _invite(self, user: User, room: str, jids: Collection[str]) -> None:
        """Have the room invite new members, so that their XMPP clients show it."""
        if jids:
            self._later(self._send_invitations(user, room, tuple(jids)))

    async def _send_invitations(self, user: User, room: str, jids: tuple[str, ...]) -> None:
        message = Outgoing(id=str(uuid4()), to=room, type="normal", payload=Invitations(jids))
        try:
            # The room passes on invitations of its occupants alone.
            await self._actions.enter(user, room)
            with self._sessions.delivery(user.jid, message) as delivery:
                async with asyncio.timeout(_INVITING_SECONDS):
                    await delivery.wait_taken()
        except (Refused, TimeoutError) as error:
            log.info("no invitation of %s to %s was sent: %s", user.jid, room, error)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= _TASKS_MAX:
            work.close()
            return
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _new_address(service: str) -> str:
    """Return an address that no room has."""
    return f"{secrets.token_hex(_LOCAL_BYTES)}@{service}"


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Refused as refused:
        log.info("work on a room was not done: %s", refused.message)


def check_name(name: str) -> None:
    """Raise BadRequest for a text that is no name of a room."""
    if not 0 < len(name.strip()) <= len(name) <= NAME_MAX:
        raise BadRequest(f"name: expected a text of up to {NAME_MAX} characters")
    if not name.isprintable():
        raise BadRequest("name: expected a text on one line, without control characters")
