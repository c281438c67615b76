"""Delivers events to receivers: at least once, and in their order for each receiver.

A delivery continues from the cursor of its subscription, which the store keeps. An event of the
account, a delay that has passed, or a request of the user starts it; no task waits for each
subscription.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice

from component.core.errors import Refused
from component.core.events.reader import EventReader
from component.core.metrics import Metrics
from component.core.push.turn import MICROSECONDS, TurnResult, Turns
from component.core.push.values import Outcome, PushLimits, Sender
from component.core.reading.follow import within
from component.core.xml.times import now
from storage.errors import StorageError
from storage.interface import PushStore
from storage.processes import Processes
from storage.rows import PushSubscription

log = logging.getLogger(__name__)

#: Seconds until a turn is repeated that failed in Muniment itself.
PAUSE_SECONDS = 5.0

#: Seconds between two removals of subscriptions whose sign-ins have ended.
CLEAN_SECONDS = 3600.0


#: The lease of the process that delivers.
LEASE = "push"


class PushDelivery:
    """Gives subscriptions their turns, a limited number at once."""

    def __init__(
        self,
        store: PushStore,
        events: EventReader,
        sender: Sender,
        limits: PushLimits,
        *,
        clock: Callable[[], int] = now,
        jitter: Callable[[], float] = random.random,
        metrics: Metrics | None = None,
    ) -> None:
        """`clock` returns microseconds since the epoch, `jitter` a number from 0 to 1."""
        self._store = store
        self._limits = limits
        self._clock = clock
        self._turns = Turns(
            store, events, sender, limits, clock=clock, jitter=jitter, metrics=metrics
        )
        self._ids: defaultdict[str, set[str]] = defaultdict(set)  # of subscriptions, by JID
        self._jids: dict[str, str] = {}  # by id
        self._slow: set[str] = set()  # receivers that are slow, or fail
        #: those that are due, in their order: quick receivers, and slow ones
        self._due: tuple[dict[str, None], dict[str, None]] = ({}, {})
        self._retry_at: dict[str, float] = {}  # times of the loop
        self._timers: list[tuple[float, str]] = []
        self._replaying: set[str] = set()  # those that may have dead letters to send
        self._running: dict[str, asyncio.Task[TurnResult]] = {}
        self._resumed: set[str] = set()  # those that do not wait for their next attempt
        self._wake = asyncio.Event()
        self._is_stopping = False
        self.has_turn = False  #: whether this process is the one that delivers

    async def take_turns(self, processes: Processes) -> None:
        """Deliver until `stop` is called, whenever no other process does."""
        while not self._is_stopping:
            async with processes.lease(LEASE) as lease:
                running = asyncio.ensure_future(self.run())
                lost = asyncio.ensure_future(lease.lost.wait())
                try:
                    await asyncio.wait([running, lost], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    lost.cancel()
                    running.cancel()
                    self.has_turn = False
                    await asyncio.wait([running])
            if not running.cancelled():
                running.result()

    def changed(self, owners: Collection[str]) -> None:
        """Deliver new events of these accounts."""
        for owner in owners:
            for id in self._ids.get(owner, ()):
                if id not in self._retry_at:
                    self._make_due(id)

    def begin(self, jid: str, id: str) -> None:
        """Deliver the events of a new subscription."""
        self._ids[jid].add(id)
        self._jids[id] = jid
        self._make_due(id)

    def resume(self, id: str, *, replays: bool = False) -> None:
        """Try a subscription at once, even if it waits for its next attempt.

        `replays` says whether dead letters may wait to be sent.
        """
        if id not in self._jids:
            return
        if replays:
            self._replaying.add(id)
        if id in self._running:
            self._resumed.add(id)
        self._retry_at.pop(id, None)
        self._make_due(id)

    def forget(self, id: str) -> None:
        """Send nothing more to a subscription that was removed."""
        jid = self._jids.pop(id, None)
        if jid is None:
            return
        self._ids[jid].discard(id)
        if not self._ids[jid]:
            del self._ids[jid]
        for due in self._due:
            due.pop(id, None)
        self._slow.discard(id)
        self._replaying.discard(id)
        self._resumed.discard(id)
        self._retry_at.pop(id, None)
        if id in self._running:
            self._running[id].cancel()

    async def reload(self, ids: Collection[str] = ()) -> None:
        """Find out which subscriptions there are, and try those with these ids at once.

        Another process has changed them. Raises StorageError.
        """
        if not self.has_turn:
            return
        times = await self._store.times(at=self._clock())
        for id in set(self._jids) - {time.id for time in times}:
            self.forget(id)
        for time in times:
            if time.id not in self._jids:
                self.begin(time.jid, time.id)
        for id in ids:
            self.resume(id, replays=True)

    async def test(self, subscription: PushSubscription) -> Outcome:
        """Send a test to a subscription, and return its outcome. Raises StorageError."""
        outcome = await self._turns.test(subscription)
        if outcome.is_accepted:
            self.resume(subscription.id)
        elif outcome.is_gone:
            await self._store.remove(subscription.jid, subscription.id)
            self._forget_ended(subscription.id)
        return outcome

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        self.has_turn = True
        await self._load()
        loop = asyncio.get_running_loop()
        clean_at = 0.0
        try:
            while not self._is_stopping:
                if loop.time() >= clean_at:
                    await self._remove_ended()
                    clean_at = loop.time() + CLEAN_SECONDS
                self._start_due(loop.time())
                next_at = min(clean_at, self._timers[0][0]) if self._timers else clean_at
                await within(max(0.0, next_at - loop.time()), self._wake)
                self._wake.clear()
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def stop(self) -> None:
        """Let `run` return; an event under way is sent again after the next start."""
        self._is_stopping = True
        self._wake.set()

    async def _load(self) -> None:
        """Find all subscriptions: each may have missed events."""
        while not self._is_stopping:
            try:
                times = await self._store.times(at=self._clock())
            except StorageError as error:
                log.warning("push subscriptions cannot be read yet: %s", error)
                await within(PAUSE_SECONDS, self._wake)
                continue
            for time in times:
                self.begin(time.jid, time.id)
                self._replaying.add(time.id)
                if time.retry_at:
                    self._retry(time.id, (time.retry_at - self._clock()) / MICROSECONDS)
            return

    async def _remove_ended(self) -> None:
        """Remove subscriptions whose sign-ins have ended, here and in the store."""
        ids = set(self._jids)
        try:
            count = await self._store.remove_ended(at=self._clock())
            live = {time.id for time in await self._store.times(at=self._clock())}
        except StorageError as error:
            log.warning("push subscriptions that have ended are not removed yet: %s", error)
            return
        if count:
            log.info("removed push subscriptions whose sign-ins have ended: %d", count)
        for id in ids - live:
            self._forget_ended(id)

    def _forget_ended(self, id: str) -> None:
        if id in self._jids:
            log.info("a push subscription of %s has ended", self._jids[id])
            self.forget(id)

    def _make_due(self, id: str) -> None:
        if id not in self._due[not self._is_slow(id)]:
            self._due[self._is_slow(id)].setdefault(id)
        self._wake.set()

    def _is_slow(self, id: str) -> bool:
        return id in self._slow

    def _retry(self, id: str, seconds: float) -> None:
        """Make a subscription due after some seconds, and not before."""
        # If the clock was set back, the stored time of the next attempt is far away.
        seconds = min(max(seconds, 0.0), max(PAUSE_SECONDS, self._limits.retry_max_seconds))
        at = asyncio.get_running_loop().time() + seconds
        for due in self._due:
            due.pop(id, None)
        self._retry_at[id] = at
        heapq.heappush(self._timers, (at, id))
        self._wake.set()

    def _start_due(self, time: float) -> None:
        """Start the turns of subscriptions that are due, as many as may run at once."""
        while self._timers and self._timers[0][0] <= time:
            at, id = heapq.heappop(self._timers)
            if self._retry_at.get(id) == at:
                self.resume(id)
        # Slow receivers take half of the places at most, so that others do not wait for them.
        slow = sum(map(self._is_slow, self._running))
        self._start(self._due[True], max(1, self._limits.parallel // 2) - slow)
        self._start(self._due[False], self._limits.parallel)

    def _start(self, due: dict[str, None], maximum: int) -> None:
        free = max(0, min(maximum, self._limits.parallel - len(self._running)))
        for id in list(islice((id for id in due if id not in self._running), free)):
            del due[id]
            replays = id in self._replaying
            self._replaying.discard(id)
            task = asyncio.create_task(self._turns.run(id, replays=replays), name=f"push {id}")
            self._running[id] = task
            task.add_done_callback(partial(self._end, id))

    def _end(self, id: str, task: asyncio.Task[TurnResult]) -> None:
        del self._running[id]
        self._wake.set()
        if task.cancelled() or id not in self._jids or self._is_stopping:
            return
        if (error := task.exception()) is not None:
            if isinstance(error, StorageError | Refused):
                log.warning("events for push cannot be read or noted now: %s", error)
            else:
                log.error("a push of %s has failed", self._jids[id], exc_info=error)
            self._replaying.add(id)
            self._retry(id, PAUSE_SECONDS)
            return
        result = task.result()
        if result.is_over:
            self._forget_ended(id)
            return
        (self._slow.discard if result.is_quick else self._slow.add)(id)
        if result.has_letters:
            self._replaying.add(id)
        if result.has_more or id in self._resumed:
            self._resumed.discard(id)
            self._make_due(id)
        elif result.retry_seconds is not None:
            self._retry(id, result.retry_seconds)
