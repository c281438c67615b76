"""Signatures of webhooks, and the delays between attempts."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from component.core.push import schedule, signature
from component.core.push.values import PushLimits

LIMITS = PushLimits(attempts=4, retry_seconds=10.0, retry_max_seconds=60.0)


def test_signature_is_that_of_the_example_of_standard_webhooks() -> None:
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signature.headers(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_signature_is_verified_by_the_code_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs/push.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own documentation
    secret, body, at = signature.new_secret(), b'{"type":"test"}', int(time.time())
    shown = signature.shown(secret)

    headers = signature.headers(secret, "id", body, at)

    assert names["is_right"](shown, headers, body)
    assert not names["is_right"](shown, headers, body + b" ")
    assert not names["is_right"](signature.shown(signature.new_secret()), headers, body)
    old = signature.headers(secret, "id", body, at - 600)
    assert not names["is_right"](shown, old, body)


def test_new_secrets_differ_and_are_shown_in_base64() -> None:
    secret = signature.new_secret()

    assert secret != signature.new_secret()
    prefix, _, text = signature.shown(secret).partition("_")
    assert (prefix, b64decode(text)) == ("whsec", secret)


def test_delays_double_up_to_the_longest_one() -> None:
    delays = [schedule.delay(attempts, LIMITS, lambda: 1.0) for attempts in (1, 2, 3, 4, 50)]

    assert delays == [10.0, 20.0, 40.0, 60.0, 60.0]


@pytest.mark.parametrize(("random", "delay"), [(0.0, 10.0), (0.5, 15.0), (1.0, 20.0)])
def test_delay_is_shortened_at_random_by_up_to_half(random: float, delay: float) -> None:
    assert schedule.delay(2, LIMITS, lambda: random) == delay


@pytest.mark.parametrize(("retry_after", "delay"), [(5.0, 10.0), (30.0, 30.0), (9e9, 60.0)])
def test_receiver_may_ask_for_a_longer_delay_up_to_the_longest_one(
    retry_after: float, delay: float
) -> None:
    assert schedule.delay(1, LIMITS, lambda: 1.0, retry_after=retry_after) == delay


def test_event_is_given_up_after_the_last_attempt() -> None:
    assert [schedule.is_dead(attempts, LIMITS) for attempts in (3, 4)] == [False, True]
