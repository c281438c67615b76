"""The part of the client sessions of users that the gateway uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from component.core.sessions.events import Event
from component.core.sessions.machine import Phase, SessionMachine


class UserSession(Protocol):
    """The connection of one account, which all its programs share."""

    @property
    def machine(self) -> SessionMachine: ...

    def report(self, event: Event) -> None:
        """Report an event to the machine."""
        ...

    async def wait_for(self, condition: Callable[[SessionMachine], bool], seconds: float) -> bool:
        """Wait until the machine meets a condition; return whether it does within some seconds."""
        ...


class UserSessions(Protocol):
    """The sessions of all accounts."""

    def __len__(self) -> int:
        """Number of open sessions."""
        ...

    def session(self, owner: str) -> UserSession:
        """Return the session of an account. Raises NotAuthorized, Overloaded."""
        ...

    def close_session(self, owner: str) -> None:
        """Close the session of an account if it has one."""
        ...


def is_ready(machine: SessionMachine) -> bool:
    """Return whether a session is connected and has its roster."""
    return machine.phase is Phase.ONLINE and machine.has_roster
