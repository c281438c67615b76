"""Push: whatever fails and whenever Muniment stops, each event is accepted or a dead letter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count as counting

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.builders import entry
from support.http_services import SETTINGS, open_services

from component.core.events.reader import EventReader
from component.core.push.delivery import PushDelivery
from component.core.push.subscriptions import PushSubscriptions
from component.core.push.targets import webhook
from component.core.push.values import Content, Outcome, PushLimits
from component.core.xml.times import now
from component.web.server.settings import Services, pager_of
from storage.rows import PushSubscription, SignIn

SECONDS = 20.0
LIMITS = PushLimits(retry_seconds=0.001, retry_max_seconds=0.002, attempts=2, dead_letters=1000)

#: A receiver accepts (True), refuses (False), or does not answer before the next stop (None).
answers = st.lists(st.sampled_from([True, False, None]), max_size=12)

#: Each example has an account of its own.
_numbers = counting()


@dataclass
class Receiver:
    """Implements `Sender`: answers as a list says, and then accepts everything."""

    answers: list[bool | None]
    accepted: list[int] = field(default_factory=list)  #: event ids
    is_silent: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, subscription: PushSubscription, id: str, body: bytes) -> Outcome:
        event = json.loads(body)
        assert id == f"{subscription.id}-{event['data']['event_id']}"
        answer = self.answers.pop(0) if self.answers else True
        if answer is None:
            self.is_silent.set()
            await asyncio.Event().wait()
        if not answer:
            return Outcome(failure="status 500")
        self.accepted.append(event["data"]["event_id"])
        return Outcome()


@asynccontextmanager
async def delivering(services: Services, receiver: Receiver) -> AsyncIterator[PushSubscriptions]:
    events = EventReader(
        services.storage,
        services.queue,
        pager_of(SETTINGS, services),
        services.journal,
        services.followers,
    )
    store = services.storage.push
    delivery = PushDelivery(store, events, receiver, LIMITS)
    services.followers.listen(delivery.changed)
    task = asyncio.create_task(delivery.run())
    try:
        yield PushSubscriptions(store, events, delivery, LIMITS)
    finally:
        delivery.stop()
        await task


async def is_done(services: Services, subscription: PushSubscription, event_id: int) -> bool:
    """Return whether a subscription is behind an event."""
    row = await services.storage.push.get(subscription.id, at=now())
    assert row is not None
    page = await services.storage.events.page(row.jid, row.cursor, limit=1)
    return page.event_id == event_id and not page.events


async def stopping_time(
    services: Services, subscription: PushSubscription, count: int, receiver: Receiver
) -> None:
    """Return when all events are done with, or when the receiver has fallen silent."""
    while not await is_done(services, subscription, count):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await receiver.is_silent.wait()
                return


async def subscribed(services: Services, jid: str) -> PushSubscription:
    """Subscribe a new account."""
    sign_in = SignIn(
        id=jid, jid=jid, created_at=1, refreshed_at=1, expires_at=now() * 2, token_hash=b"hash"
    )
    await services.storage.sign_ins.add(sign_in, limit=1, revocations=0)
    async with delivering(services, Receiver([])) as push:
        target = webhook("https://example.org/")
        return (await push.subscribe(jid, jid, target, content=Content.SENDER)).subscription


async def check(services: Services, parts: list[tuple[int, list[bool | None]]]) -> None:
    """Deliver some messages in each part, between two stops, to a receiver that answers so."""
    jid = f"user-{next(_numbers)}@example.org"
    subscription = await subscribed(services, jid)
    accepted: list[int] = []
    count = repeated = 0
    for messages, script in [*parts, (1, [])]:
        receiver = Receiver(list(script))
        if messages:
            rows = [entry((jid, count + number), owner=jid) for number in range(messages)]
            await services.writer.store(rows)
            count += messages
        async with asyncio.timeout(SECONDS), delivering(services, receiver):
            await stopping_time(services, subscription, count, receiver)
        accepted += receiver.accepted
        repeated += len(receiver.accepted) if receiver.is_silent.is_set() else 0
    dead = {row.event_id for row in await services.storage.push.dead_letters(subscription.id)}

    first = list(dict.fromkeys(accepted))
    assert first == sorted(first)
    assert set(first) | dead == set(range(1, count + 1))
    assert len(dead) <= sum(script.count(False) for _, script in parts) // LIMITS.attempts
    # Only those that a receiver accepted before it fell silent come again.
    assert len(accepted) - len(first) <= repeated


@pytest.fixture(scope="module")
def services(runner: asyncio.Runner) -> Iterator[Services]:
    """The parts of one program, which all examples share."""
    stack = AsyncExitStack()
    yield runner.run(stack.enter_async_context(open_services()))
    runner.run(stack.aclose())


@settings(max_examples=25)
@given(parts=st.lists(st.tuples(st.integers(0, 5), answers), max_size=4))
@example(parts=[(3, [False, False, True, None])])
def test_each_event_is_accepted_in_order_or_a_dead_letter(
    runner: asyncio.Runner, services: Services, parts: list[tuple[int, list[bool | None]]]
) -> None:
    runner.run(check(services, parts))
