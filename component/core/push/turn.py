"""One turn of a subscription: its next events are read, sent in their order, and done with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from cachetools import LRUCache

from component.core.errors import CursorExpired
from component.core.events.reader import EventReader, ReadableEvent
from component.core.metrics import Metrics
from component.core.push import payload, schedule
from component.core.push.progress import ProgressWriter
from component.core.push.values import EventFilter, Outcome, PushLimits, Sender
from storage.interface import PushStore
from storage.rows import DeadLetter, PushProgress, PushSubscription

#: Events that a turn reads at once.
PAGE = 20

#: Seconds after which a turn ends, so that another subscription has its turn.
TURN_SECONDS = 10.0

#: Seconds within which a receiver has to answer to count as quick.
QUICK_SECONDS = 2.0

#: Events of no interest to a receiver after which its place is saved nevertheless, and
#: subscriptions for which unsaved places are remembered.
UNSAVED_MAX = 200
SKIPPED_MAX = 20_000

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """The result of a turn: it decides when the next turn begins."""

    is_over: bool = False  #: the subscription does not exist any more
    is_quick: bool = True  #: whether the receiver accepts events, and soon
    has_more: bool = False  #: whether there are more events already
    has_letters: bool = False  #: whether there are more dead letters that wait to be sent
    retry_seconds: float | None = None  #: the delay before the next attempt, None: no event failed


class Turns:
    """Runs the turns of subscriptions."""

    def __init__(
        self,
        store: PushStore,
        events: EventReader,
        sender: Sender,
        limits: PushLimits,
        *,
        clock: Callable[[], int],
        jitter: Callable[[], float],
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._store = store
        self._events = events
        self._sender = sender
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._progress = ProgressWriter(store, dead_letters_max=limits.dead_letters)
        #: by id: the saved cursor, the place behind the events that do not match, their number
        self._skipped: LRUCache[str, tuple[str, str, int]] = LRUCache(SKIPPED_MAX)

    async def run(self, id: str, *, replays: bool) -> TurnResult:
        """Run one turn; `replays` says whether dead letters may wait to be sent.

        Raises Refused, StorageError.
        """
        subscription = await self._store.get(id, at=self._clock())
        if subscription is None:
            return TurnResult(is_over=True)
        turn = _Turn(asyncio.get_running_loop().time() + TURN_SECONDS)
        if replays and not await self._send_letters(subscription, turn):
            return TurnResult(is_over=True)
        if turn.has_letters:
            return TurnResult(is_quick=turn.is_quick, has_more=True, has_letters=True)
        return await self._send_events(subscription, turn)

    async def test(self, subscription: PushSubscription) -> Outcome:
        """Send a test, and return its outcome."""
        at = self._clock()
        body = payload.test_body(subscription, at)
        return await self._sender.send(subscription, f"{subscription.id}-test-{at}", body)

    async def _send_events(self, subscription: PushSubscription, turn: _Turn) -> TurnResult:
        id = subscription.id
        saved, start, skipped = self._skipped.get(id, ("", "", 0))
        if saved != subscription.cursor:
            start, skipped = subscription.cursor, 0
        try:
            page = await self._events.page(
                subscription.jid, _place(start), PAGE, looks=_needs_roster(subscription)
            )
        except CursorExpired:
            return await self._tell_expired(subscription, turn)
        progress = PushProgress(
            id=id, after=subscription.cursor, cursor=start, attempts=subscription.attempts
        )
        for event in page.events:
            if not payload.matches(event, subscription.events):
                progress, skipped = replace(progress, cursor=event.event.cursor), skipped + 1
                continue
            next_progress = await self._send_next(subscription, progress, event, turn)
            if isinstance(next_progress, TurnResult):
                return next_progress
            progress, skipped = next_progress, UNSAVED_MAX
        progress = replace(progress, cursor=page.cursor)
        if skipped >= UNSAVED_MAX:
            await self._progress.save(progress)
        elif page.events:
            self._skipped[id] = subscription.cursor, page.cursor, skipped
        return TurnResult(is_quick=turn.is_quick, has_more=not page.complete)

    async def _send_next(
        self,
        subscription: PushSubscription,
        progress: PushProgress,
        event: ReadableEvent,
        turn: _Turn,
    ) -> PushProgress | TurnResult:
        """Send an event; return the progress behind it, or the result if the turn ends here."""
        if turn.is_over:
            await self._progress.save(progress)
            return TurnResult(is_quick=turn.is_quick, has_more=True)
        outcome = await self._send(subscription, event, turn)
        if outcome.is_gone:
            return await self._end(subscription)
        if outcome.is_accepted:
            return replace(
                progress,
                cursor=event.event.cursor,
                attempts=0,
                failure="",
                delivered_at=self._clock(),
            )
        if schedule.is_dead(progress.attempts + 1, self._limits):
            return await self._give_up(progress, event, outcome)
        return await self._fail(progress, outcome)

    async def _give_up(
        self, progress: PushProgress, event: ReadableEvent, outcome: Outcome
    ) -> PushProgress:
        """Save an event as a dead letter, and return the progress behind it.

        It is saved before the next event is sent: after a restart it would come behind that.
        """
        letter = DeadLetter(
            event_id=event.event.event_id,
            type=payload.type_of(event),
            at=self._clock(),
            attempts=progress.attempts + 1,
            failure=outcome.failure,
        )
        cursor = event.event.cursor
        await self._progress.save(
            replace(
                progress,
                cursor=cursor,
                attempts=0,
                failure=outcome.failure,
                dead_letters=(letter,),
            )
        )
        return PushProgress(id=progress.id, after=cursor, cursor=cursor, failure=outcome.failure)

    async def _fail(self, progress: PushProgress, outcome: Outcome) -> TurnResult:
        """Save the time of the next attempt."""
        attempts = progress.attempts + 1
        seconds = schedule.delay(
            attempts, self._limits, self._jitter, retry_after=outcome.retry_after
        )
        retry_at = self._clock() + int(seconds * MICROSECONDS)
        await self._progress.save(
            replace(progress, attempts=attempts, retry_at=retry_at, failure=outcome.failure)
        )
        return TurnResult(is_quick=False, retry_seconds=seconds)

    async def _tell_expired(self, subscription: PushSubscription, turn: _Turn) -> TurnResult:
        """Send that events are lost, until the receiver accepts it, and go on behind them."""
        event_id, cursor = await self._events.begin(subscription.jid)
        body = payload.expired_body(subscription, event_id, cursor, self._clock())
        outcome = await self._post(
            subscription, f"{subscription.id}-expired-{event_id}", body, turn
        )
        if outcome.is_gone:
            return await self._end(subscription)
        progress = PushProgress(
            id=subscription.id,
            after=subscription.cursor,
            cursor=subscription.cursor,
            attempts=subscription.attempts,
        )
        if not outcome.is_accepted:
            return await self._fail(progress, outcome)
        await self._progress.save(
            replace(progress, cursor=cursor, attempts=0, delivered_at=self._clock())
        )
        return TurnResult(is_quick=turn.is_quick, has_more=True)

    async def _send_letters(self, subscription: PushSubscription, turn: _Turn) -> bool:
        """Send the dead letters that the user wants to have; return whether it still exists."""
        for letter in await self._store.dead_letters(subscription.id):
            if not letter.is_waiting:
                continue
            if turn.is_over:
                turn.has_letters = True
                return True
            event = await self._event(subscription.jid, letter.event_id)
            if event is None:
                await self._store.remove_dead_letter(subscription.id, letter.event_id)
                continue
            outcome = await self._send(subscription, event, turn)
            if outcome.is_gone:
                await self._end(subscription)
                return False
            if outcome.is_accepted:
                await self._store.remove_dead_letter(subscription.id, letter.event_id)
                continue
            failed = replace(
                letter,
                at=self._clock(),
                attempts=letter.attempts + 1,
                failure=outcome.failure,
                is_waiting=False,
            )
            await self._store.put_dead_letter(subscription.id, failed)
        return True

    async def _event(self, jid: str, event_id: int) -> ReadableEvent | None:
        """Return an event of an account, None if it is not known any more. Raises Refused."""
        with suppress(CursorExpired):
            page = await self._events.page(jid, event_id - 1, 1, looks=False)
            for event in page.events:
                if event.event.event_id == event_id:
                    return event
        return None

    async def _send(
        self, subscription: PushSubscription, event: ReadableEvent, turn: _Turn
    ) -> Outcome:
        if turn.unread is None:
            turn.unread = await self._store.unread(subscription.jid)
        body = payload.body_of(
            event,
            subscription,
            unread=turn.unread,
            max_bytes=payload.max_bytes(subscription.kind, self._limits.body_bytes),
        )
        id = f"{subscription.id}-{event.event.event_id}"
        return await self._post(subscription, id, body, turn)

    async def _post(
        self, subscription: PushSubscription, id: str, body: bytes, turn: _Turn
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcome = await self._sender.send(subscription, id, body)
        result = "accepted" if outcome.is_accepted else "gone" if outcome.is_gone else "failed"
        self._metrics.pushes.labels(result).inc()
        if not outcome.is_accepted or loop.time() - began > QUICK_SECONDS:
            turn.is_quick = False
        return outcome

    async def _end(self, subscription: PushSubscription) -> TurnResult:
        """Remove a subscription whose receiver exists no more."""
        await self._store.remove(subscription.jid, subscription.id)
        return TurnResult(is_over=True)


def _needs_roster(subscription: PushSubscription) -> bool:
    """Return whether the roster is compared before events are read.

    Messages need not wait for that, and after a start all subscriptions have a turn.
    """
    return not {EventFilter.CONTACT, EventFilter.PRESENCE}.isdisjoint(subscription.events)


def _place(cursor: str) -> int | str:
    """Return the place of a subscription, which is an event id after a replay from one."""
    return int(cursor) if cursor.isascii() and cursor.isdigit() else cursor


class _Turn:
    """The deadline of a turn, and the state of its receiver."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.is_quick = True
        self.has_letters = False
        self.unread: int | None = None  #: conversations with unread messages

    @property
    def is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._deadline
