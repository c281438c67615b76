"""Wrong secrets over HTTP are limited by address, without affecting other addresses."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack

import pytest
from aiohttp.test_utils import TestClient
from support.clock import Clock
from support.http_services import SECRET_HEADERS

from component.core.access.principals import Operator, Role
from component.core.accounts.throttle import BURST, REFILL_SECONDS, TokenBucket
from component.core.errors import NotAuthorized, Overloaded, RateLimited
from component.web.auth.guessing import GuessLimit

ARCHIVE = "/api/archive?username=alice"
WRONG = {"X-Api-Key": "wrong"}
READER = Operator(name="reader", role=Role.READER, secret="reading")
NEAR, FAR = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> TokenBucket:
    return TokenBucket(clock=clock)


@pytest.fixture
def guesses(budget: TokenBucket) -> GuessLimit:
    return GuessLimit(budget)


def guess(guesses: GuessLimit, party: str, times: int) -> None:
    for _ in range(times):
        guesses.check(party, None)


async def test_address_is_limited_after_a_burst_of_wrong_secrets(
    stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    statuses = [(await stranger.get(ARCHIVE, headers=WRONG)).status for _ in range(BURST)]
    # At once, because each of them is refused only after a while.
    beyond = await asyncio.gather(*(stranger.get(ARCHIVE, headers=WRONG) for _ in range(20)))
    right = await stranger.get(ARCHIVE, headers=SECRET_HEADERS)

    assert statuses == [401] * BURST
    assert [response.status for response in beyond] == [429] * 20
    assert right.status == 429, "a right guess must not be told from a wrong one"
    assert 1 <= int(right.headers["Retry-After"]) <= REFILL_SECONDS
    assert (await right.json())["error"] == "resource-constraint"
    assert caplog.text.count("too many wrong secrets") == 1


async def test_request_without_a_secret_does_not_count_as_a_guess(stranger: TestClient) -> None:
    for _ in range(2 * BURST):
        assert (await stranger.get(ARCHIVE)).status == 401

    assert (await stranger.get(ARCHIVE, headers=SECRET_HEADERS)).status == 200


async def test_right_secrets_are_not_limited(stranger: TestClient) -> None:
    for _ in range(2 * BURST):
        assert (await stranger.get(ARCHIVE, headers=SECRET_HEADERS)).status == 200


async def test_right_secret_is_accepted_from_a_limited_address(stranger: TestClient) -> None:
    """A guesser and the server may share the address of a reverse proxy."""
    assert (await stranger.get(ARCHIVE, headers=SECRET_HEADERS)).status == 200
    await asyncio.gather(*(stranger.get(ARCHIVE, headers=WRONG) for _ in range(2 * BURST)))

    assert (await stranger.get(ARCHIVE, headers=SECRET_HEADERS)).status == 200


def test_other_addresses_are_not_limited(guesses: GuessLimit) -> None:
    guess(guesses, NEAR, BURST)
    with pytest.raises(RateLimited):
        guesses.check(NEAR, "server")

    guesses.check(FAR, "server")
    guess(guesses, FAR, BURST)


def test_guess_is_answered_after_retry_after(guesses: GuessLimit, clock: Clock) -> None:
    guess(guesses, NEAR, BURST)
    with pytest.raises(RateLimited) as slowed:
        guesses.check(NEAR, None)
    clock.now += slowed.value.retry_seconds

    guesses.check(NEAR, None)
    with pytest.raises(RateLimited):
        guesses.check(NEAR, None)


def test_right_secret_does_not_free_its_address_for_guesses(guesses: GuessLimit) -> None:
    guesses.check(NEAR, "reader")
    guess(guesses, NEAR, BURST)

    guesses.check(NEAR, "reader")
    with pytest.raises(RateLimited):
        guesses.check(NEAR, "server")


def attempt(guesses: GuessLimit, party: str, name: str, error: Exception | None = None) -> None:
    """Check a password, which is wrong if there is an error."""
    with guesses.attempt(party, name):
        if error is not None:
            raise error


def test_password_is_not_checked_for_a_limited_address(guesses: GuessLimit) -> None:
    for _ in range(BURST):
        with pytest.raises(NotAuthorized):
            attempt(guesses, NEAR, "alice", NotAuthorized())

    with pytest.raises(RateLimited), guesses.attempt(NEAR, "alice"):
        pytest.fail("the password must not be checked")
    attempt(guesses, FAR, "alice")


def test_attempts_under_way_count(guesses: GuessLimit) -> None:
    with ExitStack() as pending:
        for _ in range(BURST):
            pending.enter_context(guesses.attempt(NEAR, "alice"))
        with pytest.raises(RateLimited):
            attempt(guesses, NEAR, "alice")
    attempt(guesses, NEAR, "alice")


def test_right_passwords_and_unchecked_ones_are_no_guesses(guesses: GuessLimit) -> None:
    for number in range(2 * BURST):
        attempt(guesses, NEAR, f"user{number}")
        with pytest.raises(Overloaded):
            attempt(guesses, NEAR, f"other{number}", Overloaded())


def test_wrong_passwords_of_a_known_name_limit_its_address_for_others(guesses: GuessLimit) -> None:
    attempt(guesses, NEAR, "alice")
    for _ in range(BURST):
        with pytest.raises(NotAuthorized):
            attempt(guesses, NEAR, "alice", NotAuthorized())

    attempt(guesses, NEAR, "alice")
    with pytest.raises(RateLimited):
        attempt(guesses, NEAR, "bob")


def test_remembered_names_of_one_address_are_bounded(budget: TokenBucket) -> None:
    guesses = GuessLimit(budget, pairs_max=2)
    for name in ("alice", "bob", "carol"):
        attempt(guesses, NEAR, name)
    guess(guesses, NEAR, BURST)

    with pytest.raises(RateLimited):
        attempt(guesses, NEAR, "alice")
    attempt(guesses, NEAR, "carol")


def test_remembered_parties_are_bounded(budget: TokenBucket) -> None:
    guesses = GuessLimit(budget, pairs_max=3)
    for party in ("a", "b", "c", "a", "d"):
        guesses.check(party, "server")

    for party in ("a", "b", "c", "d"):
        guess(guesses, party, BURST)
    for party in ("a", "c", "d"):
        guesses.check(party, "server")
    with pytest.raises(RateLimited):
        guesses.check("b", "server")
