"""All sessions: one for each account, opened when it is used, and closed when it is idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from component.core.accounts.c2s import C2s
from component.core.background import StartTask
from component.core.errors import NotAuthorized, Overloaded
from component.core.hosts import Hosts
from component.core.sessions import events
from component.core.sessions.commands import Change
from component.core.sessions.credentials import Credentials, IssueToken
from component.core.sessions.delivery import Delivery
from component.core.sessions.events import RosterItem
from component.core.sessions.machine import Limits, SessionMachine
from component.core.sessions.outgoing import OwnPresence, Request
from component.core.sessions.servers import Server
from component.core.tokens.sign_ins import WRONG_PASSWORD
from component.core.xml.jids import domain
from component.sessions.connection import OnMessage
from component.sessions.session import OnChange, Session

log = logging.getLogger(__name__)

#: Seconds between two looks for idle sessions.
TICK_SECONDS = 5.0

#: Logins at once. When ejabberd comes back, all sessions log in. Each login takes some 10 ms of
#: CPU time here, and more in ejabberd: all at once would take longer than each of them may take.
LOGINS_AT_ONCE = 20

#: So many looks lie between two looks for users who have signed out.
TICKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Where sessions log in, and how many there may be."""

    address: str
    port: int
    max: int
    idle_seconds: float
    max_other: int = 0  #: those of users of other servers among them


class OtherServers(Protocol):
    """The other servers at which users may log in."""

    def admits(self, address: str) -> bool:
        """Return whether a JID is that of a user on an opened server."""
        ...

    def server(self, domain: str) -> Server:
        """Return an opened server."""
        ...


class OtherArchives(Protocol):
    """Archives the messages of users of other servers."""

    def on_message(self, owner: str) -> OnMessage:
        """Return what takes the XML of each message of a session."""
        ...


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
        *,
        others: OtherServers | None = None,
        other_archives: OtherArchives | None = None,
    ) -> None:
        """`on_change` is called with the owner of a session and a change.

        `others` are opened servers, None: there are none; `other_archives` has their messages.
        """
        self._c2s = C2s(settings.address, settings.port)
        self._max = settings.max
        self._max_other = settings.max_other
        self._limits = Limits(idle=settings.idle_seconds)
        self._hosts = hosts
        self._others = others
        self._other_archives = other_archives
        self._credentials = credentials
        self._issue_token = issue_token
        self._on_change = on_change
        self._sessions: dict[str, Session] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._logins = asyncio.Semaphore(LOGINS_AT_ONCE)
        self._is_closed = False

    def __len__(self) -> int:
        """Number of open sessions."""
        return len(self._sessions)

    def session(self, owner: str) -> Session:
        """Return the session of an account, a new one if it has none.

        Raises NotAuthorized if the JID is not that of a user on a virtual host or an opened
        server, before anything is looked up or connected to; Overloaded.
        """
        if not self._hosts.is_user(owner) and not self._is_other(owner):
            raise NotAuthorized(WRONG_PASSWORD)
        session = self._sessions.get(owner)
        if session is None or session.is_closed:
            self._discard_closed()
            self._check_room(owner)
            session = self._sessions[owner] = self._made(owner)
        session.report(events.Used())
        return session

    def machine(self, owner: str) -> SessionMachine | None:
        """Return the state of the session of an account, None if it has none."""
        session = self._sessions.get(owner)
        return None if session is None else session.machine

    def close_session(self, owner: str) -> None:
        """Close the session of an account if it has one."""
        if owner in self._sessions:
            self._sessions[owner].report(events.Closed())

    def _is_other(self, owner: str) -> bool:
        return self._others is not None and self._others.admits(owner)

    def _check_room(self, owner: str) -> None:
        """Raise Overloaded if there are too many sessions for one more."""
        others = sum(not self._hosts.is_user(other) for other in self._sessions)
        is_full = self._is_closed or len(self._sessions) >= self._max
        if is_full or (not self._hosts.is_user(owner) and others >= self._max_other):
            raise Overloaded("Too many sessions are open: try again later.")

    def _made(self, owner: str) -> Session:
        server: Server = self._c2s
        on_message = None
        if self._others is not None and not self._hosts.is_user(owner):
            server = self._others.server(domain(owner))
            # ejabberd copies only the messages of our own users.
            if self._other_archives is not None:
                on_message = self._other_archives.on_message(owner)
        return Session(
            owner,
            server,
            self._credentials,
            self._issue_token,
            self._limits,
            self._on_change,
            self._logins,
            on_message,
        )

    def contacts(self, owner: str) -> tuple[RosterItem, ...] | None:
        """Use the session of a user of another server, and return the roster that it has.

        None: it has none yet. Raises NotAuthorized, Overloaded.
        """
        machine = self.session(owner).machine
        return tuple(machine.contacts.values()) if machine.has_roster else None

    @contextmanager
    def delivery(self, owner: str, message: Request) -> Iterator[Delivery]:
        """Send a stanza, or enter a room; failures are noted while the context is open."""
        with self.session(owner).delivery(message) as delivery:
            yield delivery

    def use(self, owner: str) -> None:
        """Open the session of a user, or keep it open."""
        self.session(owner)

    def presence(self, owner: str) -> OwnPresence | None:
        """Return the presence that a user has set, None: available, and nothing else."""
        machine = self.machine(owner)
        return None if machine is None else machine.presence

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
                    self._credentials.forget(owner)
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
