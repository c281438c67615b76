"""When a failed event is sent again, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable

from component.core.push.values import PushLimits

#: The delay is this part of its full length at least: receivers that failed together, because one
#: push service was down, are not asked together again.
JITTER_MIN = 0.5

#: The exponent from which on each delay is the longest one.
_DOUBLINGS_MAX = 40


def is_dead(attempts: int, limits: PushLimits) -> bool:
    """Return whether an event is given up after so many failed attempts."""
    return attempts >= limits.attempts


def delay(
    attempts: int, limits: PushLimits, random: Callable[[], float], *, retry_after: float = 0.0
) -> float:
    """Return the seconds between the last failed attempt and the next one.

    `attempts` have failed. `random` returns a number from 0 to 1. The receiver asked to wait for
    `retry_after` seconds; it does not get more than the longest delay.
    """
    doublings = min(attempts - 1, _DOUBLINGS_MAX)
    full = min(limits.retry_seconds * 2.0**doublings, limits.retry_max_seconds)
    jittered = full * (JITTER_MIN + (1 - JITTER_MIN) * random())
    return max(jittered, min(retry_after, limits.retry_max_seconds))
