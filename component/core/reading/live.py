"""Who waits for news of an archive, and is told once they are durable.

Only that there is something new is told, never what: whoever is woken reads the archive from where
it left off, so nothing can be missed or come twice, however slow the reader is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Follower:
    """What is told to one that follows an archive."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()  #: set at each change; clear it before reading
        self.is_over = False  #: what comes next is another owner's, and may not be read
        self.is_erased = False  #: something of this archive was erased, or is being so


class Followers:
    """Wakes followers of archives."""

    def __init__(self) -> None:
        self._followers: defaultdict[str, set[Follower]] = defaultdict(set)
        self._erasing: set[str] = set()

    def changed(self, owners: Collection[str]) -> None:
        """Wake those that follow any of these archives."""
        if not self._followers:
            return
        for owner in owners:
            for follower in self._followers.get(owner, ()):
                follower.changed.set()

    def end(self, owner: str) -> None:
        """Have those leave that follow an archive: what comes next is another owner's."""
        for follower in self._followers.get(owner, ()):
            follower.is_over = True
            follower.changed.set()

    @contextmanager
    def erasing(self, owner: str) -> Iterator[None]:
        """Have those leave that follow an archive before the block, or come while it goes on."""
        self._erasing.add(owner)
        self._erase(owner)
        try:
            yield
        finally:
            self._erasing.discard(owner)
            self._erase(owner)

    def _erase(self, owner: str) -> None:
        for follower in self._followers.get(owner, ()):
            follower.is_erased = True
        self.end(owner)

    @contextmanager
    def follow(self, owner: str) -> Iterator[Follower]:
        """Lend what is told of each change."""
        follower = Follower()
        follower.is_erased = follower.is_over = owner in self._erasing
        self._followers[owner].add(follower)
        try:
            yield follower
        finally:
            self._followers[owner].discard(follower)
            if not self._followers[owner]:
                del self._followers[owner]
