"""What came by a short while ago, so that most copies never reach the store."""

from __future__ import annotations

from collections import OrderedDict

#: How many messages are remembered.
REMEMBERED = 32_768


class SeenCache:
    """When keys were met first, for the last ones of them."""

    def __init__(self) -> None:
        self._first: OrderedDict[bytes, int] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        """Whether a key is remembered."""
        return key in self._first

    def first_seen(self, key: bytes, at: int) -> int | None:
        """Return when a key was met first, None when that is now."""
        first = self._first.get(key)
        if first is None:
            self.put(key, at)
        return first

    def put(self, key: bytes, at: int) -> None:
        """Remember a key as met first at that time."""
        self._first[key] = at
        if len(self._first) > REMEMBERED:
            self._first.popitem(last=False)
