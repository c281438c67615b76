"""Refresh tokens after any sequence of refreshes, replays, restarts and steps of the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from component.core.accounts.throttle import TokenBucket
from component.core.errors import NotAuthorized
from component.core.hosts import Hosts
from component.core.tokens.access_tokens import AccessTokens, Key
from component.core.tokens.sign_ins import GRACE_SECONDS, SignIns, Tokens
from component.core.xml.times import now
from storage.interface import Storage
from storage.open import open_storage

HOST = "example.org"
SECOND = 1_000_000
DAY = 24 * 3600
REFRESH_DAYS = 30
KEY = Key.generate()
USERS = (f"user{n}@{HOST}" for n in count())


class Everybody:
    """Accounts that all exist; a question about one takes some turns of the event loop."""

    def __init__(self, delays: Iterator[int]) -> None:
        self._delays = delays

    async def authenticate(self, jid: str, password: str) -> bool:
        return True

    async def exists(self, jid: str) -> bool:
        for _ in range(next(self._delays, 0)):
            await asyncio.sleep(0)
        return True


class Service:
    """The sign-ins over one store, which can be restarted, and whose clock can be set."""

    def __init__(self, storage: Storage, delays: Sequence[int] = ()) -> None:
        self.at = now()
        self._storage = storage
        self._delays = iter(delays)
        self.restart()

    def restart(self) -> None:
        """Replace the program by a new one over the same store."""
        self._sign_ins = SignIns(
            self._storage.sign_ins,
            AccessTokens(KEY, lifetime_seconds=600),
            Everybody(self._delays),
            Hosts([HOST]),
            refresh_days=REFRESH_DAYS,
            clock=lambda: self.at,
            grants=TokenBucket(burst=10_000),
        )

    async def sign_in(self) -> Tokens:
        return await self._sign_ins.sign_in(next(USERS), "pencil")

    async def refresh(self, token: str) -> str | None:
        """Return the next refresh token, None if the service refuses."""
        try:
            return (await self._sign_ins.refresh(token)).refresh_token
        except NotAuthorized:
            return None

    async def refresh_at_once(self, tokens: Sequence[str]) -> list[str | None]:
        return await asyncio.gather(*map(self.refresh, tokens))


@pytest.fixture(scope="module")
def storage(runner: asyncio.Runner) -> Iterator[Storage]:
    """One store for all examples; each example has its own users."""
    stack = AsyncExitStack()
    yield runner.run(stack.enter_async_context(open_storage("sqlite::memory:")))
    runner.run(stack.aclose())


#: Seconds by which the clock is set; more often around the grace.
CLOCK_STEPS = st.integers(-2 * GRACE_SECONDS, 2 * GRACE_SECONDS) | st.integers(-DAY, DAY)

#: Which tokens are shown at once, by their age; 0 is the latest.
SHOWN = st.lists(st.integers(0, 4), min_size=1, max_size=4)

#: A step: show tokens, set the clock, or restart (None).
STEPS = st.lists(
    st.one_of(
        SHOWN.map(lambda ages: ("show", ages)),
        CLOCK_STEPS.map(lambda seconds: ("clock", seconds)),
        st.just(("restart", None)),
    ),
    max_size=25,
)
DELAYS = st.lists(st.integers(0, 3), max_size=30)


@given(STEPS, DELAYS, st.randoms(use_true_random=False), st.booleans())
def test_at_most_one_refresh_token_is_live_outside_of_the_grace(
    runner: asyncio.Runner,
    storage: Storage,
    steps: list[tuple[str, Any]],
    delays: list[int],
    random: Random,
    is_behind: bool,
) -> None:
    async def example() -> None:
        service = Service(storage, delays)
        issued, times = [(await service.sign_in()).refresh_token], [service.at]
        for name, value in steps:
            if name == "clock":
                service.at += value * SECOND
                times.append(service.at)
            elif name == "restart":
                service.restart()
            else:
                shown = [issued[max(-1 - age, -len(issued))] for age in value]
                for token in await service.refresh_at_once(shown):
                    if token is not None and token not in issued:
                        issued.append(token)
        outside = (GRACE_SECONDS + 1) * SECOND
        service.at = min(times) - outside if is_behind else max(times) + outside
        random.shuffle(issued)

        # Two live tokens may belong to two programs, one of which has a stolen copy.
        answers = [await service.refresh(token) for token in issued]

        assert sum(answer is not None for answer in answers) <= 1

    runner.run(example())


#: A refresh by a client that behaves: how often its answer is lost, how many requests it sends at
#: once, and by how many seconds the clock is set before each of them.
REFRESHES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(1, 3),
        st.integers(-DAY, DAY),
        st.integers(0, GRACE_SECONDS // 4),
        st.booleans(),
    ),
    max_size=12,
)


@given(REFRESHES, DELAYS)
def test_client_that_uses_the_latest_token_it_has_stays_signed_in(
    runner: asyncio.Runner, storage: Storage, refreshes: list[Any], delays: list[int]
) -> None:
    async def example() -> None:
        service = Service(storage, delays)
        token = (await service.sign_in()).refresh_token
        for lost, at_once, step, pause, is_restarted in refreshes:
            service.at += step * SECOND
            for _ in range(lost):
                assert await service.refresh(token), "an answer that the client does not get"
                service.at += pause * SECOND
                if is_restarted:
                    service.restart()
            answers = await service.refresh_at_once([token] * at_once)

            assert len(set(answers)) == 1
            assert answers[0] is not None
            token = answers[0]

    runner.run(example())


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 10_000), DELAYS)
def test_copy_of_a_token_is_found_as_soon_as_client_and_thief_have_used_it(
    runner: asyncio.Runner,
    storage: Storage,
    before: int,
    after: int,
    pause: int,
    delays: list[int],
) -> None:
    async def example() -> None:
        service = Service(storage, delays)
        stolen = latest = (await service.sign_in()).refresh_token
        for _ in range(before):
            stolen = latest = await service.refresh(latest) or ""
        # One of the two goes on alone, with the token that both have.
        for _ in range(after + 1):
            latest = await service.refresh(latest) or ""
            service.at += (GRACE_SECONDS + 1 + pause) * SECOND

        assert await service.refresh(stolen) is None
        assert await service.refresh(latest) is None

    runner.run(example())
