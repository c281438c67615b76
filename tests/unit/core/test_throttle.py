"""Wrong passwords are throttled per account; the right password is accepted in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from support.accounts import open_accounts
from support.builders import ALICE, BOB
from support.clock import Clock

from component.core.accounts.own import OwnAccounts
from component.core.accounts.shared_limits import SharedLimits
from component.core.accounts.throttle import BURST, Throttled, TokenBucket
from component.core.errors import Overloaded
from storage.processes import Alone, Topic


@pytest.fixture
def clock() -> Clock:
    return Clock(1234.567)


def spend(bucket: TokenBucket, jid: str, count: int) -> list[bool]:
    return [bucket.take(jid) for _ in range(count)]


def test_burst_of_attempts_is_accepted(clock: Clock) -> None:
    bucket = TokenBucket(burst=3, refill=10, clock=clock)

    assert spend(bucket, ALICE, 5) == [True, True, True, False, False]


def test_bucket_refills_one_attempt_at_a_time(clock: Clock) -> None:
    bucket = TokenBucket(burst=3, refill=10, clock=clock)
    spend(bucket, ALICE, 3)
    accepted = []
    for pause in (9, 2, 1, 7, 2):
        clock.now += pause
        accepted.append(bucket.take(ALICE))

    assert accepted == [False, True, False, False, True]


def test_bucket_refills_up_to_its_burst(clock: Clock) -> None:
    bucket = TokenBucket(burst=3, refill=10, clock=clock)
    spend(bucket, ALICE, 3)
    clock.now += 1000

    assert spend(bucket, ALICE, 5) == [True, True, True, False, False]


def test_returned_attempt_costs_nothing(clock: Clock) -> None:
    bucket = TokenBucket(burst=1, refill=10, clock=clock)
    for _ in range(10):
        assert bucket.take(ALICE)
        clock.now += 0.1
        bucket.give_back(ALICE)


def test_returned_attempt_does_not_restore_wrong_ones(clock: Clock) -> None:
    bucket = TokenBucket(burst=3, refill=10, clock=clock)
    spend(bucket, ALICE, 2)
    for _ in range(10):
        assert bucket.take(ALICE)
        bucket.give_back(ALICE)

    assert spend(bucket, ALICE, 2) == [True, False]


def test_account_is_not_throttled_by_guesses_at_another(clock: Clock) -> None:
    bucket = TokenBucket(burst=1, refill=10, clock=clock)

    assert [bucket.take(jid) for jid in (ALICE, BOB, ALICE)] == [True, True, False]


def test_memory_is_bounded_and_the_latest_accounts_are_remembered(clock: Clock) -> None:
    bucket = TokenBucket(burst=2, refill=10, clock=clock, max_keys=10)
    spend(bucket, ALICE, 2)
    spend(bucket, BOB, 1)
    for n in range(9):
        spend(bucket, f"{n}@example.org", 2)
    spend(bucket, BOB, 1)
    spend(bucket, "last@example.org", 2)

    remembered = [BOB, *(f"{n}@example.org" for n in range(1, 9)), "last@example.org"]
    assert not any(bucket.take(jid) for jid in remembered)
    assert bucket.take(ALICE)


async def test_continued_guessing_is_overloaded() -> None:
    async with open_accounts() as accounts:
        await accounts.register(ALICE, "pencil")
        slowed = Throttled(accounts, TokenBucket(burst=3, refill=3600))
        for guess in ("a", "b", "c"):
            assert not await slowed.authenticate(ALICE, guess)

        for guess in ("d", "pencil"):
            with pytest.raises(Overloaded):
                await slowed.authenticate(ALICE, guess)


async def test_unknown_names_are_throttled_like_accounts() -> None:
    async with open_accounts() as accounts:
        slowed = Throttled(accounts, TokenBucket(burst=1, refill=3600))
        assert not await slowed.authenticate(BOB, "a")

        with pytest.raises(Overloaded):
            await slowed.authenticate(BOB, "a")


async def test_right_password_is_accepted_after_the_refill(clock: Clock) -> None:
    async with open_accounts() as accounts:
        await accounts.register(ALICE, "pencil")
        slowed = Throttled(accounts, TokenBucket(burst=1, refill=10, clock=clock))
        assert not await slowed.authenticate(ALICE, "guess")
        with pytest.raises(Overloaded):
            await slowed.authenticate(ALICE, "pencil")
        clock.now += 10

        assert await slowed.authenticate(ALICE, "pencil")


async def test_concurrent_logins_with_the_right_password_succeed() -> None:
    async with open_accounts() as accounts:
        await accounts.register(ALICE, "pencil")
        slowed = Throttled(accounts, TokenBucket(burst=2, refill=3600), patience=60, pause=0.001)

        assert all(
            await asyncio.gather(*[slowed.authenticate(ALICE, "pencil") for _ in range(10)])
        )


async def test_parallel_guesses_are_limited_like_sequential_ones() -> None:
    async with open_accounts() as accounts:
        await accounts.register(ALICE, "pencil")
        slowed = Throttled(accounts, TokenBucket(burst=3, refill=3600), pause=0.001)
        guesses = [slowed.authenticate(ALICE, f"guess {n}") for n in range(20)]

        results = await asyncio.gather(*guesses, return_exceptions=True)

        assert results.count(False) == 3
        assert sum(isinstance(result, Overloaded) for result in results) == 17


async def test_attempt_without_an_answer_is_not_counted() -> None:
    async with open_accounts() as accounts:
        slowed = Throttled(accounts, TokenBucket(burst=1, refill=3600))
    for _ in range(3):
        with pytest.raises(Overloaded, match="at the moment"):
            await slowed.authenticate(ALICE, "pencil")


class FastRefusal(OwnAccounts):
    """A source that refuses an unknown account faster than it checks a password."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def authenticate(self, jid: str, password: str) -> bool:
        self._clock.now += 0.001 if jid == BOB else 0.03
        return password == "right"


@pytest.mark.parametrize("no_seconds", [0.1, 0.01])
async def test_refusal_of_an_unknown_account_takes_as_long(
    clock: Clock, no_seconds: float
) -> None:
    async def sleep(seconds: float) -> None:
        clock.now += seconds

    throttled = Throttled(FastRefusal(clock), no_seconds=no_seconds, clock=clock, sleep=sleep)
    durations = []
    for jid, password in ((ALICE, "wrong"), (BOB, "wrong"), (ALICE, "right")):
        begun = clock.now
        await throttled.authenticate(jid, password)
        durations.append(round(clock.now - begun, 6))

    # A login with the right password and a refusal by a slow source are not delayed.
    assert durations == [max(no_seconds, 0.03), no_seconds, 0.03]


async def test_wrong_password_in_another_process_counts() -> None:
    sent: list[tuple[str, ...]] = []

    class Others(Alone):
        def send(self, topic: Topic, keys: Sequence[str]) -> None:
            sent.append((topic, *keys))

    one, other = SharedLimits(Others()), SharedLimits(Alone())
    async with open_accounts() as accounts:
        await accounts.register(ALICE, "pencil")
        throttled = Throttled(accounts, one.bucket("passwords"))
        assert not await throttled.authenticate(ALICE, "wrong")
        assert await throttled.authenticate(ALICE, "pencil")

    assert sent == [(Topic.GUESSES, "passwords", ALICE)]
    bucket = other.bucket("passwords")
    for _ in range(BURST):
        other.spend("passwords", ALICE)
    assert (bucket.take(ALICE), bucket.take(BOB)) == (False, True)
    other.spend("unknown", ALICE)
