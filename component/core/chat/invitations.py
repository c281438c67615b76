"""Invitations to rooms by a token: whoever knows it may become a member until it expires.

The store has only a hash of the token. The member is added through the session of the inviter, or
of another admin of the room.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from component.core.access.principals import User
from component.core.chat.memberships import Memberships, RoomMembers
from component.core.chat.rooms import ChatRooms
from component.core.chat.settings import ChatSettings
from component.core.errors import Conflict, Forbidden, ItemNotFound, Refused
from component.core.sessions.delivery import Undelivered
from component.core.store_errors import translated
from component.core.xml.times import now
from storage.interface import RoomsStore
from storage.rows import RoomInvitation

#: Random bytes of a token.
_TOKEN_BYTES = 24

_MICROSECONDS_OF_HOUR = 3600 * 1_000_000

_WRONG_TOKEN = "This invitation is not valid, or has expired."  # noqa: S105 - a sentence


@dataclass(frozen=True, slots=True)
class IssuedInvitation:
    """A new invitation."""

    token: str = field(repr=False)
    expires_at: int  #: microseconds since the epoch, UTC


class RoomInvitations:
    """Issues invitations, and lets users join by them."""

    def __init__(
        self,
        rooms: ChatRooms,
        memberships: Memberships,
        store: RoomsStore,
        settings: ChatSettings,
        *,
        clock: Callable[[], int] = now,
    ) -> None:
        """`clock` returns microseconds since the epoch."""
        self._rooms = rooms
        self._memberships = memberships
        self._store = store
        self._hours = settings.invitation_hours
        self._clock = clock

    async def issue(self, user: User, room: str, *, token: str | None = None) -> IssuedInvitation:
        """Return a new invitation to a room, of which the user has to be an owner or an admin.

        `token` is one that an API has made otherwise, and that nobody can guess. Raises
        ItemNotFound, Forbidden, NotAuthorized, Overloaded.
        """
        members = await self._memberships.of(user, room)
        if members.affiliations[user.jid] == "member":
            raise Forbidden("Only owners and admins of a room invite to it.")
        token, at = token or secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        expires_at = at + self._hours * _MICROSECONDS_OF_HOUR
        with translated():
            await self._store.invite(
                RoomInvitation(
                    token_hash=_hash(token), room=room, inviter=user.jid, expires_at=expires_at
                ),
                at=at,
            )
        return IssuedInvitation(token, expires_at)

    async def join(self, user: User, token: str) -> RoomMembers:
        """Make a user a member of a room, and return the room.

        Raises ItemNotFound for a wrong token, Forbidden for a user who is banned from the room,
        Conflict if nobody is here who may add members, or the room is full, Undelivered,
        NotAuthorized, Overloaded.
        """
        with translated():
            invitation = await self._store.invitation(_hash(token))
        if invitation is None or invitation.expires_at <= self._clock():
            raise ItemNotFound(_WRONG_TOKEN)
        room = invitation.room
        departed = await self._memberships.departed(room)
        if invitation.inviter in departed:
            raise ItemNotFound(_WRONG_TOKEN)
        admin, members = await self._admin(User(invitation.inviter), room)
        if user.jid in members.outcasts:
            raise Forbidden("You are banned from this room.")
        if user.jid not in members.affiliations or user.jid in departed:
            self._rooms.check_size(len(members.affiliations.keys() | {user.jid}))
            await self._rooms.admit(admin, room, user.jid, "member")
        return await self._rooms.get(user, room)

    async def _admin(self, inviter: User, room: str) -> tuple[User, RoomMembers]:
        """Return an admin who is here, and the members. Raises ItemNotFound, Conflict."""
        try:
            members = await self._memberships.ask(inviter, room)
        except Undelivered as refusal:
            if refusal.by:
                raise
        except (ItemNotFound, Forbidden) as refused:
            raise ItemNotFound(_WRONG_TOKEN) from refused
        except Refused:
            pass
        else:
            if members.affiliations[inviter.jid] == "member":
                raise ItemNotFound(_WRONG_TOKEN)
            return inviter, members
        raise Conflict(
            f"{inviter.jid}, who invited you, is signed in nowhere, so nobody can add you: ask "
            "again later."
        )


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()
