"""A clock for parts that take one."""

from __future__ import annotations


class Clock:
    """A clock that stands still until the test sets it."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now
