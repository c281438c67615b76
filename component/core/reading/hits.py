"""A hit of a search, with the messages around it."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.reading.views import ReadableMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A message that a search has found, and the messages around it in its conversation."""

    message: ReadableMessage
    before: tuple[ReadableMessage, ...]
    after: tuple[ReadableMessage, ...]
