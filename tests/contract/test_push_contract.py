"""The contract of `storage.interface.PushStore`, on every backend."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contract.conftest import Open
from support.builders import entry

from storage.interface import PushStore, Storage
from storage.rows import (
    DeadLetter,
    Direction,
    DisplayedMarker,
    PushKind,
    PushProgress,
    PushSubscription,
    PushTime,
    SignIn,
)

ALICE, BOB = "alice@example.org", "bob@example.org"
AT, EXPIRES = 1000, 5000


@pytest.fixture
async def push(storage: Storage) -> PushStore:
    for jid in (ALICE, BOB):
        await sign_in(storage, jid)
    return storage.push


async def sign_in(storage: Storage, jid: str, id: str = "") -> None:
    """Sign a user in, from AT until EXPIRES."""
    row = SignIn(
        id=id or f"sign-in of {jid}",
        jid=jid,
        created_at=AT,
        refreshed_at=AT,
        expires_at=EXPIRES,
        token_hash=b"hash",
    )
    assert await storage.sign_ins.add(row, limit=10, revocations=0)


def subscription(id: str = "a", jid: str = ALICE, **fields: object) -> PushSubscription:
    defaults = {
        "sign_in": f"sign-in of {jid}",
        "kind": PushKind.WEBHOOK,
        "endpoint": f"https://example.org/{id}",
        "secret": b"\0secret",
        "content": "text",
        "events": ("message", "contact"),
        "created_at": AT,
        "cursor": "here",
    }
    return PushSubscription(id=id, jid=jid, **{**defaults, **fields})  # type: ignore[arg-type]


def letter(event_id: int, **fields: object) -> DeadLetter:
    defaults = {"type": "message", "at": AT, "attempts": 3, "failure": "status 500"}
    return DeadLetter(event_id=event_id, **{**defaults, **fields})  # type: ignore[arg-type]


async def test_added_subscription_is_returned_as_it_was(push: PushStore) -> None:
    row = subscription(
        kind=PushKind.WEB_PUSH,
        public_key=b"\4key",
        label="phone",
        attempts=2,
        retry_at=1500,
        failure="timeout",
        delivered_at=1200,
    )

    assert await push.add(row, limit=1)

    assert await push.get("a", at=AT) == row
    assert await push.get("b", at=AT) is None


async def test_list_has_the_subscriptions_of_one_account_the_oldest_first(
    push: PushStore,
) -> None:
    new, old = subscription("a", created_at=AT + 1), subscription("b")
    for row in (new, old, subscription("c", BOB)):
        await push.add(row, limit=5)

    assert await push.list(ALICE, at=AT) == (old, new)


async def test_subscription_beyond_the_limit_is_not_added(push: PushStore) -> None:
    assert await push.add(subscription("a"), limit=1)

    assert not await push.add(subscription("b"), limit=1)
    assert await push.add(subscription("c", BOB), limit=1)

    assert [row.id for row in await push.list(ALICE, at=AT)] == ["a"]


async def test_same_endpoint_of_the_same_account_is_replaced_with_its_dead_letters(
    push: PushStore,
) -> None:
    await push.add(subscription("a", endpoint="https://same.example"), limit=1)
    dead = PushProgress(id="a", after="here", cursor="there", dead_letters=(letter(1),))
    await push.save([dead], dead_letters_max=5)
    await push.add(subscription("b", BOB, endpoint="https://same.example"), limit=1)

    assert await push.add(subscription("c", endpoint="https://same.example"), limit=1)

    assert [row.id for row in await push.list(ALICE, at=AT)] == ["c"]
    assert [row.id for row in await push.list(BOB, at=AT)] == ["b"]
    assert await push.dead_letters("a") == ()


async def test_subscription_ends_with_its_sign_in(storage: Storage, push: PushStore) -> None:
    await sign_in(storage, ALICE, "other")
    for id, of in (("a", f"sign-in of {ALICE}"), ("b", "other")):
        await push.add(subscription(id, sign_in=of), limit=5)

    await storage.sign_ins.remove(ALICE, "other")

    assert [row.id for row in await push.list(ALICE, at=AT)] == ["a"]
    assert await push.remove_ended(at=AT) == 0
    assert await push.get("a", at=EXPIRES) is None
    assert await push.list(ALICE, at=EXPIRES) == await push.times(at=EXPIRES) == ()
    assert await push.remove_ended(at=EXPIRES) == 1
    assert await push.get("a", at=AT) is None


async def test_removal_of_all_sign_ins_removes_the_subscriptions_of_the_user(
    storage: Storage, push: PushStore
) -> None:
    for row in (subscription("a"), subscription("b", BOB)):
        await push.add(row, limit=5)

    await storage.sign_ins.remove_all(ALICE)

    assert await push.times(at=AT) == (PushTime("b", BOB, 0),)


async def test_times_have_all_subscriptions(push: PushStore) -> None:
    await push.add(subscription("a", retry_at=1234), limit=5)
    await push.add(subscription("b", BOB), limit=5)

    assert set(await push.times(at=AT)) == {PushTime("a", ALICE, 1234), PushTime("b", BOB, 0)}


async def test_saved_progress_replaces_what_it_has(push: PushStore) -> None:
    row = subscription(delivered_at=900)
    await push.add(row, limit=5)
    failed = PushProgress(
        id="a", after="here", cursor="here", attempts=1, retry_at=1100, failure="timeout"
    )
    accepted = PushProgress(id="a", after="here", cursor="there", delivered_at=1200)

    await push.save([failed], dead_letters_max=5)
    assert await push.get("a", at=AT) == replace(row, attempts=1, retry_at=1100, failure="timeout")
    await push.save([accepted], dead_letters_max=5)

    assert await push.get("a", at=AT) == replace(row, cursor="there", delivered_at=1200)


async def test_progress_from_another_cursor_is_ignored_with_its_dead_letters(
    push: PushStore,
) -> None:
    await push.add(subscription(attempts=2, retry_at=1100, failure="timeout"), limit=5)
    assert await push.set_cursor(ALICE, "a", "back")

    late = PushProgress(id="a", after="here", cursor="there", dead_letters=(letter(1),))
    await push.save([late], dead_letters_max=5)

    assert await push.get("a", at=AT) == subscription(cursor="back")
    assert await push.dead_letters("a") == ()


async def test_changes_need_the_account_of_the_subscription(push: PushStore) -> None:
    await push.add(subscription(), limit=5)

    assert not await push.set_cursor(BOB, "a", "there")
    assert not await push.set_content(BOB, "a", "nothing")
    assert not await push.remove(BOB, "a")
    assert await push.set_content(ALICE, "a", "nothing")
    assert await push.get("a", at=AT) == subscription(content="nothing")
    assert await push.remove(ALICE, "a")
    assert not await push.remove(ALICE, "a")


async def test_only_the_newest_dead_letters_are_kept(push: PushStore) -> None:
    await push.add(subscription(), limit=5)
    letters = tuple(map(letter, (3, 1, 2)))
    progress = PushProgress(id="a", after="here", cursor="here", dead_letters=letters)

    await push.save([progress], dead_letters_max=2)

    assert await push.dead_letters("a") == (letter(2), letter(3))
    assert await push.dead_letters("b") == ()


async def test_dead_letters_wait_to_be_sent_and_are_removed_or_replaced(push: PushStore) -> None:
    await push.add(subscription(), limit=5)
    letters = (letter(1), letter(2))
    progress = PushProgress(id="a", after="here", cursor="here", dead_letters=letters)
    await push.save([progress], dead_letters_max=5)

    assert await push.replay_dead_letters("a") == 2
    assert all(row.is_waiting for row in await push.dead_letters("a"))
    await push.remove_dead_letter("a", 1)
    failed = letter(2, attempts=4, failure="timeout", at=2000)
    await push.put_dead_letter("a", failed)
    await push.put_dead_letter("a", letter(1))

    assert await push.dead_letters("a") == (failed,)


async def test_erasure_removes_the_subscriptions_of_the_owner(
    storage: Storage, push: PushStore
) -> None:
    for row in (subscription("a"), subscription("b", BOB)):
        await push.add(row, limit=5)
    progress = PushProgress(id="a", after="here", cursor="here", dead_letters=(letter(1),))
    await push.save([progress], dead_letters_max=5)

    removed = await storage.retention.erase(ALICE, limit=10)

    assert removed.done
    assert await push.times(at=AT) == (PushTime("b", BOB, 0),)
    assert await push.dead_letters("a") == ()


async def test_unread_counts_conversations_with_messages_that_were_not_displayed(
    storage: Storage, push: PushStore
) -> None:
    assert await push.unread(ALICE) == 0
    received = [
        entry(f"{peer} {number}", peer=peer, owner=ALICE)
        for peer in (BOB, "carol@example.org")
        for number in range(2)
    ]
    sent = entry("to dave", peer="dave@example.org", owner=ALICE, direction=Direction.SENT)
    await storage.archive.append([*received, sent])

    assert await push.unread(ALICE) == 2
    assert await push.unread(BOB) == 0

    page = await storage.archive.conversations(ALICE, limit=5, peers=[BOB])
    last = page.conversations[0].newest
    await storage.archive.note_displayed([DisplayedMarker(owner=ALICE, peer=BOB, id=last)])
    assert await push.unread(ALICE) == 1


async def test_subscriptions_survive_a_restart(reopen: Open) -> None:
    async with reopen() as storage:
        await sign_in(storage, ALICE)
        await storage.push.add(subscription(), limit=5)

    async with reopen() as storage:
        assert await storage.push.list(ALICE, at=AT) == (subscription(),)
