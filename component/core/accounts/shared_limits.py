"""Limits on guesses that hold for all processes: each tells the others of wrong guesses."""

from __future__ import annotations

from component.core.accounts.throttle import TokenBucket
from storage.processes import Processes, Topic


class SharedLimits:
    """Makes the limits of one process, and spends attempts that other processes have seen."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._buckets: dict[str, TokenBucket] = {}

    def bucket(self, name: str) -> TokenBucket:
        """Return the limit with a name, which is the same in each process."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket(
                on_wrong=lambda key: self._processes.send(Topic.GUESSES, [name, key])
            )
        return bucket

    def spend(self, name: str, key: str) -> None:
        """Take an attempt that was wrong in another process."""
        if name in self._buckets:
            self._buckets[name].take(key)
