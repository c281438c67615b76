"""What holds for every password and every way of guessing."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from component.core.accounts import argon2id, scram
from component.core.accounts.passwords import prepare
from component.core.accounts.throttle import TokenBucket
from component.core.errors import BadRequest

typed = st.text(min_size=1, max_size=30)


def prepared(text: str) -> str | None:
    try:
        return prepare(text)
    except BadRequest:
        return None


@given(typed)
def test_preparing_twice_is_preparing_once(text: str) -> None:
    once = prepared(text)

    assert once is None or prepared(once) in (once, None)


@given(typed, typed, st.sampled_from([*scram.KINDS]))
def test_a_verifier_of_scram_fits_one_password(password: str, other: str, kind: str) -> None:
    one, two = prepared(password), prepared(other)
    if one is None or two is None:
        return
    verifier = scram.make(kind, one, iterations=1)

    assert scram.matches(verifier, two) == (one == two)


@settings(max_examples=10)
@given(typed, typed)
def test_a_verifier_of_argon2id_fits_one_password(password: str, other: str) -> None:
    one, two = prepared(password), prepared(other)
    if one is None or two is None:
        return
    verifier = argon2id.make(one)

    assert argon2id.matches(verifier, one)
    assert argon2id.matches(verifier, two) == (one == two)


@given(st.text(max_size=60))
def test_what_is_no_verifier_never_fits(text: str) -> None:
    for module in (argon2id, scram):
        with suppress(ValueError):
            assert not module.matches(text, "pencil")


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=60), st.integers(1, 5))
def test_no_more_is_guessed_in_any_time_than_burst_and_refill_allow(
    pauses: list[float], burst: int
) -> None:
    now, taken = 1234.567, []
    budget = TokenBucket(burst=burst, refill=10, clock=lambda: now)
    for pause in pauses:
        now += pause
        if budget.take("alice@example.org"):
            taken.append(now)

    for first, start in enumerate(taken):
        for last, end in enumerate(taken[first:], first):
            assert last - first + 1 <= burst + (end - start) / 10 + 1e-6
