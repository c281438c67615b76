"""The contract of processes that use one store: changes that they tell each other, and leases.

A store that one process uses alone is `Alone`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Topic(StrEnum):
    """The kinds of changes. The keys are bare JIDs, if nothing else is said."""

    ARCHIVES = "archives"  #: messages were appended to these archives
    EVENTS = "events"  #: the journals of these accounts have new entries
    OPENED = "opened"  #: the journals of these accounts were opened
    CLOSED = "closed"  #: the journals of these accounts were closed
    ERASED = "erased"  #: these archives were erased
    PREFERENCES = "preferences"  #: of these users
    ROSTERS = "rosters"  #: of these users
    ROOMS = "rooms"  #: the names or members of these rooms, or the rooms of these users
    MADE = "made"  #: a process has created these rooms for a user
    HOLDS = "holds"  #: no keys
    RULES = "rules"  #: no keys
    SIGN_INS = "sign_ins"  #: of these users
    PUSH = "push"  #: the push subscriptions of these users
    GUESSES = "guesses"  #: wrong passwords; the keys are the name of a limit, and a key of it
    RELEASED = "released"  #: a lease is free; the key is its name
    MISSED = "missed"  #: no keys: anything may have changed


@dataclass(frozen=True, slots=True)
class Change:
    """A change that another process has made."""

    topic: Topic
    keys: tuple[str, ...] = ()


#: Called with each change that another process has made.
OnChange = Callable[[Change], None]


class Lease:
    """Something that one process at a time may do, such as to purge."""

    def __init__(self, lost: asyncio.Event) -> None:
        self.lost = lost  #: set when this process may not do it any more


class Processes(Protocol):
    """The processes that use a store, seen from one of them."""

    @property
    def is_shared(self) -> bool:
        """Whether there may be other processes."""
        ...

    def listen(self, on_change: OnChange) -> None:
        """Call a function with each change of the other processes.

        While changes cannot be heard, it is called with `Topic.MISSED` every few seconds, and once
        after that.
        """
        ...

    def send(self, topic: Topic, keys: Sequence[str]) -> None:
        """Tell the other processes of a change that is not in the store.

        Nobody hears it if the store cannot be reached. The stores tell of their own changes.
        """
        ...

    def lease(
        self, name: str, taken: asyncio.Event | None = None
    ) -> AbstractAsyncContextManager[Lease]:
        """Return a context that begins when no other process is in the context of that name.

        `taken` is set as soon as it is known that another process is. The name of a context that
        has ended is free at once; that of a process which was killed is free within a second.
        """
        ...

    async def note_connected(self, at: int) -> int:
        """Note that this process receives copies since `at`, in microseconds.

        Returns since when processes have received copies without a break. Raises Unavailable.
        """
        ...

    async def note_disconnected(self) -> None:
        """Note that this process receives no copies any more, but may have some to write.

        Raises Unavailable.
        """
        ...

    async def note_written(self) -> None:
        """Note that this process, which receives no copies, has written all of them.

        Raises Unavailable.
        """
        ...

    async def others(self) -> dict[str, bool]:
        """Return the other processes that may have copies to write.

        The values say whether they receive copies now. A process that has ended is not among them.
        Raises Unavailable.
        """
        ...


class Alone:
    """The only process of a store; implements `Processes`."""

    is_shared = False

    def __init__(self) -> None:
        self._leases: dict[str, asyncio.Lock] = {}

    def listen(self, on_change: OnChange) -> None:
        """Do nothing, because no other process changes anything."""

    def send(self, topic: Topic, keys: Sequence[str]) -> None:
        """Do nothing, because nobody listens."""

    @asynccontextmanager
    async def lease(self, name: str, taken: asyncio.Event | None = None) -> AsyncIterator[Lease]:
        async with self._leases.setdefault(name, asyncio.Lock()):
            yield Lease(asyncio.Event())

    async def note_connected(self, at: int) -> int:
        return at

    async def note_disconnected(self) -> None:
        return None

    async def note_written(self) -> None:
        return None

    async def others(self) -> dict[str, bool]:
        return {}
