"""The way of one stanza through a session, as its sender sees it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from component.core.errors import Refused
from component.core.sessions.commands import Fail
from component.core.sessions.outgoing import OwnPresence, Request

#: HTTP statuses of the conditions of RFC 6120 section 8.3.3; any other condition is a conflict.
_STATUSES = {
    "item-not-found": 404,
    "gone": 404,
    "remote-server-not-found": 404,
    "forbidden": 403,
    "not-acceptable": 403,
    "not-allowed": 403,
    "not-authorized": 403,
    "registration-required": 403,
    "subscription-required": 403,
    "policy-violation": 413,
    "resource-constraint": 503,
    "remote-server-timeout": 503,
}


_Result = TypeVar("_Result")


class Undelivered(Refused):
    """The message was not delivered."""

    def __init__(self, failure: Fail) -> None:
        text = failure.text or f"The message was refused ({failure.condition})."
        super().__init__(f"{failure.by}: {text}" if failure.by else text)
        self.by = failure.by  #: the JID that refused it, "" if nobody did
        self.condition = failure.condition
        self.by = failure.by  #: JID of the entity that refused it; "": the session itself
        self.status = _STATUSES.get(failure.condition, 409)
        if failure.condition == "not-authorized" and not failure.by:
            self.status = 401


class Delivery:
    """One stanza on its way."""

    def __init__(self) -> None:
        self._taken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._failed: asyncio.Future[Undelivered] = asyncio.get_running_loop().create_future()

    def succeed(self, result: str = "") -> None:
        """Note that the server has taken the stanza, or that the room is entered.

        `result` is the XML of the result of an IQ.
        """
        if not self._taken.done():
            self._taken.set_result(result)

    def fail(self, failure: Undelivered) -> None:
        """Note that the message was refused, perhaps after the server had taken it."""
        if not self._failed.done():
            self._failed.set_result(failure)

    async def wait_taken(self) -> str:
        """Return when the server has taken the stanza: the result of an IQ. Raises Undelivered."""
        return await self.wait_for(self._taken)

    async def wait_refused(self, seconds: float) -> None:
        """Return after some seconds. Raises Undelivered as soon as the message is refused."""
        await asyncio.wait([self._failed], timeout=seconds)
        if self._failed.done():
            raise self._failed.result()

    async def wait_for(self, other: asyncio.Future[_Result]) -> _Result:
        """Return the result of something else. Raises Undelivered if the message fails before."""
        futures: list[asyncio.Future[Any]] = [other, self._failed]
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            raise self._failed.result()
        return other.result()


class ClientSessions(Protocol):
    """Sends messages and presences through the sessions of users, and enters rooms."""

    def delivery(self, owner: str, message: Request) -> AbstractContextManager[Delivery]:
        """Send a stanza of a user, or enter a room; failures are noted while the context is open.

        Raises NotAuthorized for an owner without an account here, Overloaded.
        """
        ...

    def use(self, owner: str) -> None:
        """Open the session of a user, or keep it open. Raises NotAuthorized, Overloaded."""
        ...

    def presence(self, owner: str) -> OwnPresence | None:
        """Return the presence that a user has set, None: available, and nothing else."""
        ...

    def rooms(self, owner: str) -> tuple[str, ...]:
        """Return the bare JIDs of the rooms that a user is in, by the session."""
        ...

    def leave(self, owner: str, room: str) -> None:
        """Have a user leave a room, if the session is in it."""
        ...
