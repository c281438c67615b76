"""Where missing messages are fetched from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from component.core.importing.records import SourcePage


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `begins_at` to `ends_at`, both included, in microseconds since the epoch."""

    begins_at: int
    ends_at: int


class BackfillSource(Protocol):
    """An archive that went on while Muniment received no copies."""

    @property
    def name(self) -> str:
        """What it is, for the log; it has no secret."""
        ...

    def pages(
        self, span: Span, *, owner: str | None = None, after: str | None = None
    ) -> AsyncGenerator[SourcePage, None]:
        """Yield the messages of a span, of one archive or of all of them.

        The messages of each archive are in the order of their times. `after` is the place behind
        an earlier page of the same span. What cannot be read of single archives is in
        `unreadable`. Raises BadSource.
        """
        ...
