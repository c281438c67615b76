"""Typing (XEP-0085): sends the chat states of users, within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

from cachetools import TTLCache

from component.core.access.principals import User
from component.core.accounts.throttle import TokenBucket
from component.core.errors import Overloaded, RateLimited
from component.core.sessions.delivery import ClientSessions, Undelivered
from component.core.sessions.outgoing import ChatState, Outgoing
from component.core.xml.jids import bare
from component.core.xml.stanza import GROUPCHAT

#: Chat states that a user may send at once, and seconds after which one more is accepted.
BURST = 20
REFILL_SECONDS = 1.0

#: Seconds within which a repeated state is not sent again, and the states that are remembered.
REPEAT_SECONDS = 3.0
SENT_MAX = 10_000

#: Conditions of the errors for a user who is not there.
_ABSENT = frozenset({"service-unavailable", "recipient-unavailable", "item-not-found"})

#: Seconds that the server has to take a chat state.
TAKEN_SECONDS = 5.0


class TypingSender:
    """Sends the chat states of users through their sessions."""

    def __init__(
        self,
        sessions: ClientSessions,
        *,
        clock: Callable[[], float] = time.monotonic,
        taken_seconds: float = TAKEN_SECONDS,
    ) -> None:
        """`clock` returns seconds; `taken_seconds` is how long the server has to take a state."""
        self._sessions = sessions
        self._taken_seconds = taken_seconds
        self._limit = TokenBucket(BURST, REFILL_SECONDS, clock)
        #: the last state that a user has sent to a conversation
        self._sent: TTLCache[tuple[str, str], ChatState] = TTLCache(
            SENT_MAX, REPEAT_SECONDS, timer=clock
        )

    def forget(self, user: User, to: str) -> None:
        """Send the next state in any case: a message has ended the last one (XEP-0085)."""
        self._sent.pop((user.jid, bare(to)), None)

    async def send(self, user: User, to: str, state: ChatState, *, is_room: bool) -> None:
        """Send a chat state to a user or a room, a bare JID; a repeated one is not sent again.

        The recipient may be absent. Raises RateLimited, Undelivered if it is refused,
        NotAuthorized, Overloaded.
        """
        key = user.jid, bare(to)
        if self._sent.get(key) is state:
            return
        if not self._limit.take(user.jid):
            raise RateLimited(
                "You send too many chat states: send one when the user begins or pauses.",
                retry_seconds=self._limit.seconds(user.jid),
            )
        self._sent[key] = state
        type = GROUPCHAT if is_room else "chat"
        message = Outgoing(id=str(uuid4()), to=to, type=type, payload=state)
        with self._sessions.delivery(user.jid, message) as delivery:
            try:
                async with asyncio.timeout(self._taken_seconds):
                    await delivery.wait_taken()
            except TimeoutError as error:
                raise Overloaded("There was no answer in time: try again.") from error
            except Undelivered as refused:
                # No client of the recipient is connected; followers get the state from the copy.
                if is_room or refused.condition not in _ABSENT:
                    raise
