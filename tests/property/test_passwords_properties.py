"""Properties of all passwords, their verifiers, and the limit of guesses."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from slixmpp.util.sasl.client import saslprep as slixmpp_saslprep
from slixmpp.util.stringprep_profiles import StringPrepError

from component.core.accounts import verifiers
from component.core.accounts.passwords import prepare
from component.core.accounts.saslprep import saslprep
from component.core.accounts.throttle import TokenBucket
from component.core.errors import BadRequest

typed = st.text(min_size=1, max_size=30)


def prepared(text: str) -> str | None:
    try:
        return prepare(text)
    except BadRequest:
        return None


@given(typed)
def test_prepared_password_is_prepared_unchanged(text: str) -> None:
    once = prepared(text)

    assert once is None or prepared(once) in (once, None)


@given(typed | st.text(st.characters(min_codepoint=0x590, max_codepoint=0x780), max_size=5))
def test_saslprep_agrees_with_that_of_slixmpp(text: str) -> None:
    try:
        expected = slixmpp_saslprep(text)
    except StringPrepError:
        expected = None
    try:
        prepared_text = saslprep(text)
    except ValueError:
        prepared_text = None

    assert prepared_text == expected


@given(typed, typed, st.sampled_from([*verifiers.SCRAM]))
def test_scram_verifier_matches_one_password(password: str, other: str, kind: str) -> None:
    first, second = prepared(password), prepared(other)
    if first is None or second is None:
        return
    verifier = verifiers.make(kind, first, iterations=1)

    assert verifiers.matches(verifier, second) == (first == second)


@settings(max_examples=10)
@given(typed, typed)
def test_argon2id_verifier_matches_one_password(password: str, other: str) -> None:
    first, second = prepared(password), prepared(other)
    if first is None or second is None:
        return
    verifier = verifiers.make(verifiers.ARGON2ID, first)

    assert verifiers.matches(verifier, first)
    assert verifiers.matches(verifier, second) == (first == second)


@given(st.sampled_from(["", "$argon2id$", "SCRAM-SHA-256$"]), st.text(max_size=60))
def test_invalid_verifier_never_matches(prefix: str, text: str) -> None:
    with suppress(ValueError):
        assert not verifiers.matches(prefix + text, "pencil")


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=60), st.integers(1, 5))
def test_guesses_never_exceed_burst_and_refill(pauses: list[float], burst: int) -> None:
    now, attempts = 1234.567, []
    budget = TokenBucket(burst=burst, refill=10, clock=lambda: now)
    for pause in pauses:
        now += pause
        if budget.take("alice@example.org"):
            attempts.append(now)

    for first, start in enumerate(attempts):
        for last, end in enumerate(attempts[first:], first):
            assert last - first + 1 <= burst + (end - start) / 10 + 1e-6
