"""Push subscriptions of users: made, listed, tested, replayed and removed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from component.core.accounts.throttle import TokenBucket
from component.core.errors import (
    ItemNotFound,
    NotImplementedHere,
    RateLimited,
    TooMany,
)
from component.core.events.reader import EventReader
from component.core.push import signature
from component.core.push.delivery import PushDelivery
from component.core.push.targets import Target, check_scheme
from component.core.push.values import DEFAULT_EVENTS, Content, EventFilter, Outcome, PushLimits
from component.core.store_errors import translated
from component.core.xml.times import now
from storage.interface import PushStore
from storage.rows import DeadLetter, PushKind, PushSubscription

#: Seconds that a user waits for the outcome of a test.
TEST_SECONDS = 7.0

#: Tests and replays of one account at once, and seconds until one more: each sends requests.
ORDERS_BURST = 10
ORDERS_REFILL_SECONDS = 10.0

_ID_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """A subscription that was just made."""

    subscription: PushSubscription
    secret: str | None = field(repr=False)  #: of a webhook, shown this once


class PushSubscriptions:
    """The subscriptions of users. Every method raises Overloaded."""

    def __init__(
        self,
        store: PushStore,
        events: EventReader,
        delivery: PushDelivery,
        limits: PushLimits,
        *,
        public_key: str | None = None,
        clock: Callable[[], int] = now,
        orders: TokenBucket | None = None,
    ) -> None:
        """`public_key` is that of VAPID, None where there is no Web Push.

        `orders` limits how often an account tests and replays.
        """
        self._store = store
        self._events = events
        self._delivery = delivery
        self._limits = limits
        self._public_key = public_key
        self._clock = clock
        self._orders = orders or TokenBucket(ORDERS_BURST, ORDERS_REFILL_SECONDS)

    @property
    def public_key(self) -> str:
        """The public key of VAPID (RFC 8292), in base64url. Raises NotImplementedHere."""
        if self._public_key is None:
            raise NotImplementedHere("There is no Web Push here (push.key_file is not set).")
        return self._public_key

    async def subscribe(
        self,
        jid: str,
        sign_in: str,
        target: Target,
        *,
        content: Content = Content.NOTHING,
        events: Collection[EventFilter] | None = None,
        label: str = "",
    ) -> NewSubscription:
        """Subscribe a receiver to the events of an account from now on.

        The subscription lasts as long as the sign-in with the id `sign_in`. It replaces one of the
        same account and URL. `events` None: those that fit the kind of receiver. Raises
        BadRequest, TooMany, NotImplementedHere.
        """
        check_scheme(target, allows_http=self._limits.allows_http)
        is_webhook = target.kind is PushKind.WEBHOOK
        if not is_webhook:
            self.public_key  # noqa: B018 - raises NotImplementedHere
        secret = signature.new_secret() if is_webhook else target.auth
        _, cursor = await self._events.begin(jid)
        filters = DEFAULT_EVENTS[target.kind] if events is None else events
        subscription = PushSubscription(
            id=secrets.token_urlsafe(_ID_BYTES),
            jid=jid,
            sign_in=sign_in,
            kind=target.kind,
            endpoint=target.url,
            secret=secret,
            public_key=target.public_key,
            label=label,
            content=content.value,
            events=tuple(kind.value for kind in EventFilter if kind in filters),
            created_at=self._clock(),
            cursor=cursor,
        )
        replaced = [row.id for row in await self.list(jid) if row.endpoint == target.url]
        with translated():
            is_added = await self._store.add(subscription, limit=self._limits.per_account)
        if not is_added:
            raise TooMany(
                f"An account has {self._limits.per_account} subscriptions at most: remove one."
            )
        for id in replaced:
            self._delivery.forget(id)
        self._delivery.begin(jid, subscription.id)
        return NewSubscription(
            subscription=subscription, secret=signature.shown(secret) if is_webhook else None
        )

    async def ensure(
        self,
        jid: str,
        sign_in: str,
        target: Target,
        *,
        content: Content,
        events: Collection[EventFilter] | None = None,
    ) -> str | None:
        """Subscribe a receiver, or set the content of the subscription that a sign-in has for it.

        Returns the secret of a webhook that is new, None otherwise. Raises the errors of
        `subscribe`.
        """
        for subscription in await self.list(jid):
            if (subscription.endpoint, subscription.sign_in) == (target.url, sign_in):
                await self.set_content(jid, subscription.id, content)
                return None
        created = await self.subscribe(jid, sign_in, target, content=content, events=events)
        return created.secret

    async def list(self, jid: str) -> tuple[PushSubscription, ...]:
        """Return the subscriptions of an account, the oldest first."""
        with translated():
            return await self._store.list(jid, at=self._clock())

    async def get(self, jid: str, id: str) -> PushSubscription:
        """Return a subscription of an account. Raises ItemNotFound."""
        with translated():
            subscription = await self._store.get(id, at=self._clock())
        if subscription is None or subscription.jid != jid:
            raise ItemNotFound("There is no such push subscription.")
        return subscription

    async def set_content(self, jid: str, id: str, content: Content) -> PushSubscription:
        """Set how much of an event is sent. Raises ItemNotFound."""
        with translated():
            await self._store.set_content(jid, id, content.value)
        return await self.get(jid, id)

    async def remove(self, jid: str, id: str) -> None:
        """Remove a subscription of an account. Raises ItemNotFound."""
        with translated():
            is_removed = await self._store.remove(jid, id)
        if not is_removed:
            raise ItemNotFound("There is no such push subscription.")
        self._delivery.forget(id)

    async def test(self, jid: str, id: str) -> Outcome:
        """Send a test now, and return its outcome. Raises ItemNotFound, RateLimited."""
        subscription = await self.get(jid, id)
        self._order(jid)
        try:
            async with asyncio.timeout(TEST_SECONDS):
                with translated():
                    return await self._delivery.test(subscription)
        except TimeoutError:
            return Outcome(failure="timeout")

    async def replay(self, jid: str, id: str, after: int | str) -> PushSubscription:
        """Send all events behind a cursor or an event id, once more.

        Raises ItemNotFound, CursorExpired, RateLimited.
        """
        await self.get(jid, id)
        # An expired place is refused here, and not told to the receiver.
        await self._events.page(jid, after, 1)
        self._order(jid)
        with translated():
            await self._store.set_cursor(jid, id, str(after))
        self._delivery.resume(id)
        return await self.get(jid, id)

    async def dead_letters(self, jid: str, id: str) -> tuple[DeadLetter, ...]:
        """Return the dead letters of a subscription. Raises ItemNotFound."""
        await self.get(jid, id)
        with translated():
            return await self._store.dead_letters(id)

    async def replay_dead_letters(self, jid: str, id: str) -> int:
        """Send all dead letters once more; return their number.

        Raises ItemNotFound, RateLimited.
        """
        await self.get(jid, id)
        self._order(jid)
        with translated():
            count = await self._store.replay_dead_letters(id)
        self._delivery.resume(id, replays=True)
        return count

    def _order(self, jid: str) -> None:
        """Count a test or a replay. Raises RateLimited."""
        if seconds := self._orders.seconds(jid):
            raise RateLimited(
                "This account tests or replays push too often: try again later.",
                retry_seconds=seconds,
            )
        self._orders.take(jid)
