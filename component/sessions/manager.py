"""All sessions: one for each account, opened when it is used, and closed when it is idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from component.core.accounts.c2s import C2s
from component.core.background import StartTask
from component.core.errors import NotAuthorized, Overloaded
from component.core.hosts import Hosts
from component.core.sessions import events
from component.core.sessions.commands import Change
from component.core.sessions.credentials import Credentials, IssueToken
from component.core.sessions.delivery import Delivery
from component.core.sessions.machine import Limits
from component.core.sessions.outgoing import Request
from component.core.tokens.sign_ins import WRONG_PASSWORD
from component.sessions.session import OnChange, Session

log = logging.getLogger(__name__)

#: Seconds between two looks for idle sessions.
TICK_SECONDS = 5.0

#: So many looks lie between two looks for users who have signed out.
TICKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Where sessions log in, and how many there may be."""

    address: str
    port: int
    max: int
    idle_seconds: float


def _ignore(_: str, __: Change) -> None:
    """Do nothing with a change."""


class SessionManager:
    """Opens and closes sessions; implements `core.sessions.delivery.ClientSessions`."""

    def __init__(
        self,
        settings: SessionSettings,
        hosts: Hosts,
        credentials: Credentials,
        issue_token: IssueToken,
        on_change: OnChange = _ignore,
    ) -> None:
        self._c2s = C2s(settings.address, settings.port)
        self._max = settings.max
        self._limits = Limits(idle=settings.idle_seconds)
        self._hosts = hosts
        self._credentials = credentials
        self._issue_token = issue_token
        self._on_change = on_change
        self._sessions: dict[str, Session] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def __len__(self) -> int:
        """Number of open sessions."""
        return len(self._sessions)

    def session(self, owner: str) -> Session:
        """Return the session of an account, a new one if it has none.

        Raises NotAuthorized if the JID is not that of a user on a virtual host, before anything is
        looked up or connected to; Overloaded.
        """
        if not self._hosts.is_user(owner):
            raise NotAuthorized(WRONG_PASSWORD)
        session = self._sessions.get(owner)
        if session is None or session.is_closed:
            self._discard_closed()
            if self._is_closed or len(self._sessions) >= self._max:
                raise Overloaded("Too many sessions are open: try again later.")
            session = self._sessions[owner] = Session(
                owner,
                self._c2s,
                self._credentials,
                self._issue_token,
                self._limits,
                self._on_change,
            )
        session.report(events.Used())
        return session

    @contextmanager
    def delivery(self, owner: str, message: Request) -> Iterator[Delivery]:
        """Send a stanza, or enter a room; failures are noted while the context is open."""
        with self.session(owner).delivery(message) as delivery:
            yield delivery

    def rooms(self, owner: str) -> tuple[str, ...]:
        """Return the rooms that a user is in, by the session."""
        session = self._sessions.get(owner)
        rooms = session.machine.rooms if session is not None and not session.is_closed else {}
        return tuple(sorted(room for room, is_entered in rooms.items() if is_entered))

    def leave(self, owner: str, room: str) -> None:
        """Have a user leave a room."""
        session = self._sessions.get(owner)
        if session is not None:
            session.report(events.LeaveRoom(room))

    @asynccontextmanager
    async def running(self, start: StartTask) -> AsyncIterator[None]:
        """Close idle sessions while the context is open, and then all of them."""
        ticking = start("sessions", self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            await self.close()

    async def _tick(self) -> None:
        while True:
            for _ in range(TICKS):
                await asyncio.sleep(TICK_SECONDS)
                for session in list(self._sessions.values()):
                    session.report(events.Ticked())
                self._discard_closed()
            await self._end_signed_out()

    async def _end_signed_out(self) -> None:
        """End the sessions of users who are signed in nowhere any more."""
        for owner, session in list(self._sessions.items()):
            with suppress(Overloaded):
                if await self._issue_token(owner) is None:
                    session.report(events.Closed())

    async def close(self) -> None:
        """Close all sessions; no session is opened from now on."""
        self._is_closed = True
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.end() for session in sessions), *self._ending)

    def _discard_closed(self) -> None:
        for owner, session in list(self._sessions.items()):
            if session.is_closed:
                del self._sessions[owner]
                task = asyncio.create_task(session.end())
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
