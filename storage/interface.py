"""The storage contract on one page. Every backend passes `tests/contract`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage.rows import Entry, Filter, Page, Removal


class Archive(Protocol):
    """Messages, keyed by the owner of the archive."""

    async def append(self, batch: Sequence[Entry | Removal]) -> None:
        """Store a batch in its order and make it durable.

        An entry whose origin (or a twin of it) is already in its owner's archive is left out.
        All of the batch is stored or none. Raises Unavailable (try again) or Rejected.
        """
        ...

    async def page(
        self,
        owner: str,
        wanted: Filter,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        backwards: bool = False,
    ) -> Page:
        """Return up to `limit` messages in arrival order between two ids, both exclusive.

        Forwards it is the oldest of them, backwards the newest; oldest comes first either way.
        Raises NotFound when `after` or `before` is not in this archive.
        """
        ...

    async def page_by_time(
        self, owner: str, wanted: Filter, *, limit: int | None, newest: bool = False
    ) -> Page:
        """Return the oldest (or newest) `limit` messages in the order of their time.

        Messages of the very same microsecond are never parted, so a page may be a little longer.
        """
        ...

    async def count(self, owner: str, wanted: Filter) -> int:
        """Return how many messages match; free of cost when the filter is empty."""
        ...


class Storage(Protocol):
    """An open store, migrated to the schema of this program."""

    @property
    def archive(self) -> Archive: ...

    async def check(self) -> None:
        """Raise Unavailable unless the store can be written."""
        ...

    async def close(self) -> None:
        """Close every connection. Calling it twice is fine."""
        ...
