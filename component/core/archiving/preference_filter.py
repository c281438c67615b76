"""The filter before the writer drops messages that an owner does not want archived (XEP-0441).

If the decision needs preferences or a roster that are not cached, the messages of that owner wait
here, in order, until Muniment has read them. Messages of other owners do not wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from component.core.archiving.preferences import EffectivePreferences, Preferences
from component.core.archiving.pressure import Backpressure, size_of
from component.core.archiving.writer import Queue
from component.core.metrics import PREFERENCES, Metrics
from component.core.rosters.cache import Contacts, RosterCache
from storage.rows import NewMessage

log = logging.getLogger(__name__)


class PreferenceFilter:
    """Passes on to the writer the messages that their owner wants archived."""

    def __init__(
        self,
        writer: Queue,
        preferences: Preferences,
        rosters: RosterCache,
        pressure: Backpressure | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`pressure` also counts the messages that wait here.

        At most half of its capacity may wait for rosters, because the server that answers with
        rosters is not read while the queue is full. Beyond that, all messages that wait for a
        roster are archived.
        """
        self._writer = writer
        self._preferences = preferences
        self._rosters = rosters
        self._pressure = pressure or Backpressure()
        self._metrics = metrics or Metrics()
        #: by owner: each message with the preferences that apply to it, None if not cached
        self._held: dict[str, list[tuple[NewMessage, EffectivePreferences | None]]] = {}
        self._bytes = 0
        self._readers: dict[asyncio.Task[None], str] = {}  # values: owners

    def put(self, work: Sequence[NewMessage]) -> None:
        self._writer.put([message for message in work if self._passes_now(message)])
        if self._bytes > self._pressure.capacity // 2:
            released = self.release()
            if released:
                log.warning(
                    "too many messages wait for rosters: %d are archived without them", released
                )

    async def wants(self, message: NewMessage) -> bool:
        """Return whether the owner of an archive wants a message that is not put here.

        It reads preferences, and the roster if they need it.
        """
        applied = self._preferences.remembered(message.owner)
        if applied is None:
            applied = await self._preferences.read(message.owner)
        contacts = None
        if _verdict_of_lists(message, applied) is None:
            contacts = await self._contacts(message.owner)
        return _is_allowed(message, applied, contacts)

    async def wait_durable(self, owner: str | None = None) -> None:
        await self.wait_judged(owner)
        await self._writer.wait_durable(owner)

    async def wait_readable(self, owner: str) -> None:
        await self.wait_judged(owner)
        await self._writer.wait_readable(owner)

    def writes_paused(self) -> AbstractAsyncContextManager[None]:
        return self._writer.writes_paused()

    async def wait_judged(self, owner: str | None = None) -> None:
        """Wait until no message that was put before this call waits for a roster.

        With an `owner`, it does not wait for the rosters of others.
        """
        reading = [task for task, whose in self._readers.items() if owner in (None, whose)]
        if reading:
            await asyncio.wait(reading)

    def _passes_now(self, message: NewMessage) -> bool:
        """Return whether to pass a message on now; hold it if that cannot be decided yet.

        The preferences at the arrival of the message decide, not those at a later time.
        """
        owner, applied = message.owner, self._preferences.remembered(message.owner)
        verdict = self._verdict(message, applied)
        if verdict is False:
            self._metrics.note_skipped(PREFERENCES)
            return False
        if verdict and owner not in self._held:
            return True
        if owner not in self._held:
            self._held[owner] = []
            task = asyncio.create_task(self._judge_held(owner))
            self._readers[task] = owner
            task.add_done_callback(self._readers.pop)
        self._held[owner].append((message, applied))
        self._bytes += size_of([message])
        self._pressure.add([message])
        return False

    def _verdict(self, message: NewMessage, applied: EffectivePreferences | None) -> bool | None:
        """Return whether a message passes, None if preferences or roster are not cached."""
        if applied is None:
            return None
        verdict = applied.wants(message.owner, message.peer, message.resource)
        if verdict is None and self._rosters.is_known(message.owner):
            return _is_in_roster(message, self._rosters.remembered(message.owner))
        return verdict

    async def _judge_held(self, owner: str) -> None:
        """Read preferences, and the roster if they need it; then judge the held messages."""
        applied = await self._preferences.read(owner)
        held, contacts = self._held.get(owner, []), None
        held[:] = [(message, own or applied) for message, own in held]
        if any(_verdict_of_lists(message, own or applied) is None for message, own in held):
            contacts = await self._contacts(owner)
        held = self._held.pop(owner, [])
        allowed = [m for m, own in held if _is_allowed(m, own or applied, contacts)]
        self._metrics.note_skipped(PREFERENCES, len(held) - len(allowed))
        self._pass_on([message for message, _ in held], allowed)

    async def _contacts(self, owner: str) -> Contacts:
        if self._rosters.is_known(owner):
            return self._rosters.remembered(owner)
        try:
            return await self._rosters.read(owner)
        except Exception:
            # After any error, the messages must not wait for ever.
            log.exception("the roster of %s cannot be read", owner)
            return None

    def release(self, *, is_last: bool = False) -> int:
        """Archive all messages that wait for rosters, and return their number.

        Messages that wait for preferences stay, because the store will answer. At the end of the
        program (`is_last`) they are archived as well.
        """
        released = 0
        for owner, held in [*self._held.items()]:
            if is_last or all(applied is not None for _, applied in held):
                del self._held[owner]
                messages = [message for message, _ in held]
                self._pass_on(messages, messages)
                released += len(messages)
        return released

    def _pass_on(self, held: Sequence[NewMessage], allowed: Sequence[NewMessage]) -> None:
        # The writer counts them first, so that the pressure does not seem to fall meanwhile.
        self._writer.put(allowed)
        self._bytes -= size_of(held)
        self._pressure.remove(held)


def _verdict_of_lists(message: NewMessage, applied: EffectivePreferences) -> bool | None:
    """Return whether a message passes, None if the roster decides."""
    return applied.wants(message.owner, message.peer, message.resource)


def _is_allowed(message: NewMessage, applied: EffectivePreferences, contacts: Contacts) -> bool:
    """Return whether a message passes, with the contacts of the owner's roster."""
    verdict = _verdict_of_lists(message, applied)
    return _is_in_roster(message, contacts) if verdict is None else verdict


def _is_in_roster(message: NewMessage, contacts: Contacts) -> bool:
    """Return whether the peer of a message is in the roster, or the roster cannot be read."""
    return contacts is None or message.peer in contacts
