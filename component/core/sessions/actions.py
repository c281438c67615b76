"""Actions of users through their sessions: presence, subscriptions, rooms."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from component.core.access.principals import User
from component.core.errors import Overloaded
from component.core.sessions.delivery import ClientSessions
from component.core.sessions.outgoing import (
    OwnPresence,
    Request,
    RoomEntry,
    Show,
    Subscription,
    SubscriptionType,
)

#: Seconds until the server has to take a presence, or a room has to let a user in.
TAKEN_SECONDS = 5.0


class SessionActions:
    """Carries out what users ask for.

    Each method returns when the server has taken it. Raises Undelivered if it is refused,
    NotAuthorized, Overloaded.
    """

    def __init__(self, sessions: ClientSessions, *, taken_seconds: float = TAKEN_SECONDS) -> None:
        """`taken_seconds` is how long the server has to take a stanza."""
        self._sessions = sessions
        self._taken_seconds = taken_seconds

    async def set_presence(self, user: User, show: Show | None, status: str) -> None:
        """Set the presence of a user, until the session ends."""
        await self._carry_out(user, OwnPresence(id=str(uuid4()), show=show, status=status))

    async def send_subscription(self, user: User, to: str, type: SubscriptionType) -> None:
        """Ask to see a contact, answer its request, or end a subscription. `to` is a bare JID."""
        await self._carry_out(user, Subscription(id=str(uuid4()), to=to, type=type))

    async def enter(self, user: User, room: str) -> None:
        """Enter a room that exists, and stay until the session ends. `room` is a bare JID."""
        await self._carry_out(user, RoomEntry(id=str(uuid4()), room=room))

    def leave(self, user: User, room: str) -> None:
        """Leave a room, if the user is in it."""
        self._sessions.leave(user.jid, room)

    def rooms(self, user: User) -> tuple[str, ...]:
        """Return the rooms that a user is in, by the session."""
        return self._sessions.rooms(user.jid)

    async def _carry_out(self, user: User, request: Request) -> None:
        with self._sessions.delivery(user.jid, request) as delivery:
            try:
                async with asyncio.timeout(self._taken_seconds):
                    await delivery.wait_taken()
            except TimeoutError as error:
                raise Overloaded("There was no answer in time: try again.") from error
