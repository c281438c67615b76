"""Deliveries: in order, at least once, over failures, restarts and slow receivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.builders import ALICE, BOB, entry
from support.push import (
    CONTACT,
    LIMITS,
    SECONDS,
    Browser,
    Receiver,
    has_right_signature,
    pushing,
    vapid_claims,
)
from unit.push.conftest import Pushed

from component.core.errors import CursorExpired, ItemNotFound, TooMany
from component.core.push import delivery
from component.core.push.targets import parse_token, web_push, webhook
from component.core.push.values import Content, PushLimits
from component.core.xml.times import now
from component.web.server.settings import Services
from storage.rows import Cutoff, Direction, EntryKind, JournalEntry, PushSubscription


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until an asynchronous condition is true, and return its value."""
    async with asyncio.timeout(SECONDS):
        while not (value := await condition()):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        return value


async def stored(services: Services, id: str) -> PushSubscription:
    row = await services.storage.push.get(id, at=now())
    assert row is not None
    return row


async def is_delivered(services: Services, id: str) -> bool:
    return (await stored(services, id)).delivered_at > 0


async def say(services: Services, *names: object, owner: str = ALICE) -> None:
    await services.writer.store([entry(name, owner=owner) for name in names])


async def test_events_are_sent_in_order_with_a_right_signature(
    pushed: Pushed, receiver: Receiver
) -> None:
    async with pushing(pushed.services) as services:
        assert services.push is not None
        created = await services.push.subscribe(
            ALICE, pushed.sign_ins[ALICE], webhook(receiver.url), content=Content.TEXT
        )
        await say(services, *range(30))
        requests = await receiver.wait_for(30)

    assert [request.text for request in requests] == [str(n) for n in range(30)]
    assert created.secret is not None
    assert all(has_right_signature(request, created.secret) for request in requests)
    ids = [request.json["data"]["event_id"] for request in requests]
    assert ids == sorted(set(ids))
    assert len({request.headers["webhook-id"] for request in requests}) == 30
    assert requests[0].headers["Content-Type"] == "application/json"
    assert requests[-1].json["data"]["unread"] == 1


async def test_browser_gets_what_it_alone_can_decrypt(pushed: Pushed, receiver: Receiver) -> None:
    browser = Browser(f"{receiver.url}/push")
    async with pushing(pushed.services, key=ec.generate_private_key(ec.SECP256R1())) as services:
        assert services.push is not None
        target = web_push(browser.endpoint, *browser.subscription["keys"].values())
        created = await services.push.subscribe(
            ALICE, pushed.sign_ins[ALICE], target, content=Content.TEXT
        )
        await say(services, "x" * 10_000)
        [request] = await receiver.wait_for(1)
        key = services.push.public_key

    text = browser.decrypt(request)
    assert created.secret is None
    assert text["type"] == "message"
    assert text["data"]["truncated"]
    assert 3000 < len(text["data"]["message"]["body"]) < 4000
    claims = vapid_claims(request, key)
    assert (claims["aud"], claims["sub"]) == (receiver.url, CONTACT)
    assert request.headers["TTL"] == "604800"


async def test_browser_gets_incoming_messages_alone(pushed: Pushed, receiver: Receiver) -> None:
    browser = Browser(f"{receiver.url}/push")
    async with pushing(pushed.services, key=ec.generate_private_key(ec.SECP256R1())) as services:
        assert services.push is not None
        target = web_push(browser.endpoint, *browser.subscription["keys"].values())
        await services.push.subscribe(ALICE, pushed.sign_ins[ALICE], target)
        change = JournalEntry(
            owner=ALICE, kind=EntryKind.CONTACT, subject=BOB, value='{"name":"Bob"}', at=1
        )
        assert await services.storage.events.put([change])
        await services.writer.store([entry("sent", direction=Direction.SENT), entry("received")])
        [request] = await receiver.wait_for(1)

    assert browser.decrypt(request)["data"]["event_id"] == 3
    assert len(receiver.requests) == 1


async def test_replaced_subscription_sends_nothing_more(
    pushed: Pushed, receiver: Receiver
) -> None:
    """Its secret is not that of the receiver any more."""
    receiver.gates["/"] = asyncio.Event()
    async with pushing(pushed.services) as services:
        replaced = await pushed.hook(services, receiver.url)
        await say(services, *range(3))
        await receiver.wait_for(1)
        row = await pushed.hook(services, receiver.url)
        receiver.gates["/"].set()
        await say(services, "new")
        requests = await receiver.wait_for(2)

    ids = [request.json["data"]["subscription"] for request in requests]
    assert ids == [replaced.id, row.id]
    assert len(receiver.requests) == 2


async def test_subscription_of_a_revoked_sign_in_is_forgotten_without_an_event(
    pushed: Pushed,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "CLEAN_SECONDS", 0.05)
    caplog.set_level(logging.INFO)
    async with pushing(pushed.services) as services:
        assert services.sign_ins is not None
        row = await pushed.hook(services, receiver.url)
        await say(services, "one")
        await until(lambda: is_delivered(services, row.id))
        await services.sign_ins.revoke(ALICE, pushed.sign_ins[ALICE])
        async with asyncio.timeout(SECONDS):
            while f"a push subscription of {ALICE} has ended" not in caplog.text:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.01)

    assert [request.text for request in receiver.requests] == ["one"]


async def test_failed_event_is_sent_again_before_the_next_one(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.statuses.extend([500, 429])
    receiver.headers["Retry-After"] = "0"
    async with pushing(pushed.services) as services:
        row = await pushed.hook(services, receiver.url)
        await say(services, "one", "two")
        requests = await receiver.wait_for(4)
        assert [request.text for request in requests] == ["one", "one", "one", "two"]
        assert len({request.headers["webhook-id"] for request in requests[:3]}) == 1
        await until(lambda: done(services, row))

        assert await services.storage.push.dead_letters(row.id) == ()


async def done(services: Services, row: PushSubscription) -> bool:
    """Return whether a subscription has nothing to be sent."""
    present = await stored(services, row.id)
    _, cursor = await services_cursor(services, row.jid)
    return present.cursor == cursor and not present.attempts


async def services_cursor(services: Services, jid: str) -> tuple[int, str]:
    snapshot = await services.storage.events.snapshot(jid)
    return snapshot.event_id, snapshot.cursor


async def test_event_that_is_never_accepted_is_a_dead_letter_and_the_next_one_is_sent(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.statuses.extend([500, 503, 500])
    async with pushing(pushed.services) as services:
        assert services.push is not None
        row = await pushed.hook(services, receiver.url)
        await say(services, "poison", "next")
        requests = await receiver.wait_for(4)
        assert [request.text for request in requests] == ["poison"] * 3 + ["next"]
        [letter] = await until(lambda: services.push.dead_letters(ALICE, row.id))
        assert (letter.event_id, letter.attempts, letter.failure) == (1, 3, "status 500")

        assert await services.push.replay_dead_letters(ALICE, row.id) == 1

        requests = await receiver.wait_for(5)
        assert requests[4].text == "poison"
        assert requests[4].headers["webhook-id"] == requests[0].headers["webhook-id"]
        await until(lambda: no_letters(services, row))


async def no_letters(services: Services, row: PushSubscription) -> bool:
    return not await services.storage.push.dead_letters(row.id)


async def test_replayed_dead_letter_that_fails_again_stays(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.status = 500
    async with pushing(pushed.services, limits=replace(LIMITS, attempts=1)) as services:
        assert services.push is not None
        row = await pushed.hook(services, receiver.url)
        await say(services, "poison")
        await until(lambda: services.push.dead_letters(ALICE, row.id))

        await services.push.replay_dead_letters(ALICE, row.id)
        await receiver.wait_for(2)

        async def failed_again() -> bool:
            [letter] = await services.storage.push.dead_letters(row.id)
            return (letter.attempts, letter.is_waiting) == (2, False)

        await until(failed_again)


async def test_dead_letter_of_a_deleted_message_is_dropped_by_a_replay(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.status = 500
    async with pushing(pushed.services, limits=replace(LIMITS, attempts=1)) as services:
        assert services.push is not None
        row = await pushed.hook(services, receiver.url)
        await say(services, "poison")
        await until(lambda: services.push.dead_letters(ALICE, row.id))
        await services.storage.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=5)

        await services.push.replay_dead_letters(ALICE, row.id)

        await until(lambda: no_letters(services, row))
    assert len(receiver.requests) == 1


async def test_delivery_goes_on_where_it_was_before_a_restart(
    pushed: Pushed, receiver: Receiver
) -> None:
    async with pushing(pushed.services) as services:
        row = await pushed.hook(services, receiver.url)
        await say(services, "before")
        await receiver.wait_for(1)
        await until(lambda: done(services, row))
    await say(pushed.services, "while away")
    async with pushing(pushed.services) as services:
        await receiver.wait_for(2)
        await say(services, "after")
        requests = await receiver.wait_for(3)

    assert [request.text for request in requests] == ["before", "while away", "after"]


async def test_event_under_way_at_a_stop_is_sent_again(pushed: Pushed, receiver: Receiver) -> None:
    gate = receiver.gates["/hook"] = asyncio.Event()
    async with pushing(pushed.services) as services:
        await pushed.hook(services, f"{receiver.url}/hook")
        await say(services, "one", "two")
        await receiver.wait_for(1)
    gate.set()
    async with pushing(pushed.services):
        requests = await receiver.wait_for(3)

    assert [request.text for request in requests] == ["one", "one", "two"]


async def test_next_attempt_is_not_before_its_time_after_a_restart(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.statuses.append(500)
    limits = PushLimits(allows_http=True, retry_seconds=1000.0)
    async with pushing(pushed.services, limits=limits) as services:
        assert services.push is not None
        row = await pushed.hook(services, receiver.url)
        await say(services, "one")
        await receiver.wait_for(1)
        await until(lambda: failed(services, row))
    async with pushing(pushed.services, limits=limits) as services:
        assert services.push is not None
        await say(services, "two")
        await asyncio.sleep(0.3)
        assert len(receiver.requests) == 1

        # A test that succeeds shows that the receiver is back.
        assert (await services.push.test(ALICE, row.id)).is_accepted

        requests = await receiver.wait_for(4)
    assert [request.json["type"] for request in requests] == [
        "message",
        "test",
        "message",
        "message",
    ]


async def failed(services: Services, row: PushSubscription) -> bool:
    present = await stored(services, row.id)
    return present.attempts == 1 and present.retry_at > now()


async def test_slow_receivers_do_not_delay_others(pushed: Pushed, receiver: Receiver) -> None:
    limits = replace(LIMITS, parallel=4, attempts=10_000)
    slow = [f"/slow/{number}" for number in range(4)]
    async with pushing(pushed.services, limits=limits, timeout_seconds=60.0) as services:
        receiver.status = 500
        for path in slow:
            await pushed.hook(services, f"{receiver.url}{path}")
        await say(services, "for the slow ones")
        for path in slow:
            await receiver.wait_for(1, path)
        # From now on they do not answer at all, and may have two of the four places.
        receiver.gates.update((path, asyncio.Event()) for path in slow)
        receiver.status = 200

        await pushed.hook(services, f"{receiver.url}/quick", BOB)
        for number in range(20):
            await say(services, number, owner=BOB)
            await receiver.wait_for(number + 1, "/quick")

    assert [request.text for request in receiver.of("/quick")] == [str(n) for n in range(20)]


async def test_expired_cursor_is_told_to_the_receiver_until_it_accepts(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.statuses.extend([500] * 5)
    async with pushing(pushed.services) as services:
        assert services.push is not None
        row = await pushed.hook(services, receiver.url)
        await services.storage.push.set_cursor(ALICE, row.id, "of-another-archive")
        await say(services, "lost")
        requests = await receiver.wait_for(6)
        await until(lambda: done(services, row))
        await say(services, "next")
        requests = await receiver.wait_for(7)

    assert {request.json["type"] for request in requests[:6]} == {"cursor-expired"}
    data = requests[5].json["data"]
    assert (data["after"], data["event_id"]) == ("of-another-archive", 1)
    assert requests[6].text == "next"


async def test_push_service_that_knows_no_such_browser_ends_the_subscription(
    pushed: Pushed, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status = 410
    browser = Browser(f"{receiver.url}/push/secret-path")
    async with pushing(pushed.services, key=ec.generate_private_key(ec.SECP256R1())) as services:
        assert services.push is not None
        target = web_push(browser.endpoint, *browser.subscription["keys"].values())
        await services.push.subscribe(ALICE, pushed.sign_ins[ALICE], target)
        await say(services, "a secret text")
        await receiver.wait_for(1)
        await until(lambda: none_left(services))

    assert "has ended" in caplog.text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("component", "storage"))]
    assert not any("secret-path" in line or "secret text" in line for line in ours)


async def none_left(services: Services) -> bool:
    assert services.push is not None
    return not await services.push.list(ALICE)


async def test_test_of_a_browser_that_is_gone_ends_the_subscription(
    pushed: Pushed, receiver: Receiver
) -> None:
    receiver.status = 404
    browser = Browser(f"{receiver.url}/push")
    async with pushing(pushed.services, key=ec.generate_private_key(ec.SECP256R1())) as services:
        assert services.push is not None
        target = web_push(browser.endpoint, *browser.subscription["keys"].values())
        created = await services.push.subscribe(ALICE, pushed.sign_ins[ALICE], target)

        outcome = await services.push.test(ALICE, created.subscription.id)

        assert outcome.failure == "status 404"
        assert await none_left(services)


async def test_webhook_that_is_gone_is_tried_again(pushed: Pushed, receiver: Receiver) -> None:
    receiver.statuses.append(410)
    async with pushing(pushed.services) as services:
        await pushed.hook(services, receiver.url)
        await say(services, "one")
        await receiver.wait_for(2)


async def test_redirects_are_not_followed(pushed: Pushed, receiver: Receiver) -> None:
    receiver.statuses.append(307)
    receiver.headers["Location"] = f"{receiver.url}/elsewhere"
    async with pushing(pushed.services) as services:
        await pushed.hook(services, f"{receiver.url}/hook")
        await say(services, "one")
        requests = await receiver.wait_for(2)

    assert {request.path for request in requests} == {"/hook"}


async def test_private_address_gets_nothing(pushed: Pushed, receiver: Receiver) -> None:
    async with pushing(pushed.services, limits=replace(LIMITS, attempts=1)) as services:
        assert services.push is not None
        port = receiver.url.rpartition(":")[2]
        # Only 127.0.0.0/8 is allowed in these tests.
        row = await pushed.hook(services, f"http://[::1]:{port}/")
        await say(services, "one")

        [letter] = await until(lambda: services.push.dead_letters(ALICE, row.id))

    assert letter.failure == "address refused"


async def test_subscription_ends_with_its_sign_in(pushed: Pushed, receiver: Receiver) -> None:
    async with pushing(pushed.services) as services:
        assert services.push is not None
        assert services.sign_ins is not None
        row = await pushed.hook(services, receiver.url)

        await services.sign_ins.revoke(ALICE, pushed.sign_ins[ALICE])
        await say(services, "one")

        await asyncio.sleep(0.2)
        with pytest.raises(ItemNotFound):
            await services.push.get(ALICE, row.id)
    assert receiver.requests == []


async def test_events_are_replayed_from_a_place(pushed: Pushed, receiver: Receiver) -> None:
    async with pushing(pushed.services) as services:
        assert services.push is not None
        row = await pushed.hook(services, receiver.url)
        await say(services, "one", "two")
        requests = await receiver.wait_for(2)
        await until(lambda: done(services, row))

        await services.push.replay(ALICE, row.id, 0)
        await receiver.wait_for(4)
        await until(lambda: done(services, row))
        await services.push.replay(ALICE, row.id, requests[0].json["data"]["cursor"])
        requests = await receiver.wait_for(5)
        with pytest.raises(CursorExpired):
            await services.push.replay(ALICE, row.id, 4711)

    assert [request.text for request in requests] == ["one", "two", "one", "two", "two"]


async def test_replay_during_a_request_that_fails_is_not_delayed(
    pushed: Pushed, receiver: Receiver
) -> None:
    limits = PushLimits(allows_http=True, retry_seconds=1000.0)
    gate = receiver.gates["/hook"] = asyncio.Event()
    async with pushing(pushed.services, limits=limits) as services:
        assert services.push is not None
        row = await pushed.hook(services, f"{receiver.url}/hook")
        await say(services, "one")
        receiver.statuses.append(500)
        await receiver.wait_for(1)

        await services.push.replay(ALICE, row.id, 0)
        gate.set()

        requests = await receiver.wait_for(2)
        assert [request.text for request in requests] == ["one", "one"]
        await until(lambda: done(services, row))


async def test_account_has_a_limited_number_of_subscriptions(
    pushed: Pushed, receiver: Receiver
) -> None:
    async with pushing(pushed.services, limits=replace(LIMITS, per_account=2)) as services:
        first = await pushed.hook(services, f"{receiver.url}/1")
        await pushed.hook(services, f"{receiver.url}/2")
        with pytest.raises(TooMany):
            await pushed.hook(services, f"{receiver.url}/3")

        again = await pushed.hook(services, f"{receiver.url}/1")

        assert again.id != first.id


async def test_token_of_a_session_is_subscribed_once(pushed: Pushed, receiver: Receiver) -> None:
    async with pushing(pushed.services) as services:
        assert services.push is not None
        target, sign_in = parse_token(receiver.url), pushed.sign_ins[ALICE]
        secret = await services.push.ensure(ALICE, sign_in, target, content=Content.NOTHING)
        assert secret is not None
        await say(services, "one")
        [request] = await receiver.wait_for(1)
        assert set(request.json["data"]) == {"subscription", "event_id", "cursor", "unread"}

        again = await services.push.ensure(ALICE, sign_in, target, content=Content.TEXT)
        await say(services, "two")
        requests = await receiver.wait_for(2)

    assert again is None
    assert requests[1].text == "two"
    assert all(has_right_signature(request, secret) for request in requests)
