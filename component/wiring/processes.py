"""Take over what the other processes on the same store have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from component.core.accounts.shared_limits import SharedLimits
from component.core.push.delivery import PushDelivery
from component.core.retention.admin import ArchiveAdmin
from component.core.tokens.sign_ins import SignIns
from component.wiring.compose import Parts
from storage.errors import StorageError
from storage.interface import Storage
from storage.processes import Change, OnChange, Topic

log = logging.getLogger(__name__)


class Later:
    """Reads of the store that a change makes necessary."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a read; if it fails, the log says so."""
        task = asyncio.get_running_loop().create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StorageError as error:
            log.warning("a change of another process cannot be read: %s", error)


def listen(
    storage: Storage,
    parts: Parts,
    archives: ArchiveAdmin,
    sign_ins: SignIns | None,
    limits: SharedLimits,
) -> None:
    """Have all parts that keep state in memory hear of the changes of other processes."""
    if storage.processes.is_shared:
        storage.processes.listen(_Listener(parts, archives, sign_ins, limits).hear)


class _Listener:
    """Tells the parts of each change."""

    def __init__(
        self, parts: Parts, archives: ArchiveAdmin, sign_ins: SignIns | None, limits: SharedLimits
    ) -> None:
        self._parts = parts
        self._archives = archives
        self._sign_ins = sign_ins
        self._limits = limits
        self._later = Later()

    def hear(self, change: Change) -> None:
        """Take over a change."""
        if change.topic is Topic.HOLDS:
            self._later.start(self._parts.holds.load())
        elif change.topic is Topic.RULES:
            self._later.start(self._archives.rules.load())
        elif change.topic is Topic.GUESSES:
            self._limits.spend(*change.keys)
        elif change.topic is Topic.MISSED:
            self._miss()
        elif change.topic is Topic.ARCHIVES:
            self._parts.followers.changed(change.keys)
        elif change.topic is Topic.EVENTS:
            self._parts.followers.events_changed(change.keys)
        elif change.topic is Topic.OPENED:
            self._parts.journal.opened_elsewhere(change.keys)
        else:
            for key in change.keys:
                for call in self._calls(change.topic):
                    call(key)

    def _calls(self, topic: Topic) -> tuple[Callable[[str], None], ...]:
        """Return the functions to call with each key of a change."""
        parts = self._parts
        if topic is Topic.CLOSED:
            return (parts.journal.forget,)
        if topic is Topic.ERASED:
            return (self._forget,)
        if topic is Topic.PREFERENCES:
            return (parts.preferences.changed_elsewhere,)
        if topic is Topic.ROSTERS:
            return (parts.roster_cache.changed, parts.journal.roster_changed)
        if topic is Topic.ROOMS:
            return (parts.rooms.changed_elsewhere, parts.signals.note_room)
        if topic is Topic.MADE:
            return (parts.rooms.made_elsewhere,)
        if topic is Topic.SIGN_INS and self._sign_ins is not None:
            return (self._sign_ins.note_change,)
        return ()

    def _forget(self, owner: str) -> None:
        """Forget what is kept in memory about an erased archive, and end its streams."""
        parts = self._parts
        with parts.followers.erasing(owner):
            parts.preferences.forget(owner)
            parts.rooms.forget(owner)
            parts.displayed.forget(owner)
            parts.journal.forget(owner)
            parts.signals.note_erased(owner)
            self._archives.rules.discard(owner)

    def _miss(self) -> None:
        """Read everything again: changes may have been missed."""
        parts = self._parts
        parts.preferences.missed()
        parts.roster_cache.missed()
        parts.followers.all_changed()
        if self._sign_ins is not None:
            self._sign_ins.missed()
        for work in (parts.holds.load, parts.journal.load, self._archives.rules.load):
            self._later.start(work())


def push_listener(delivery: PushDelivery) -> OnChange:
    """Return what has the delivery of push hear of changed subscriptions."""
    later = Later()

    def hear(change: Change) -> None:
        if change.topic in (Topic.PUSH, Topic.MISSED):
            later.start(delivery.reload(change.keys))

    return hear
