"""Offsets: the place behind which a client asks for contacts and messages."""

from __future__ import annotations

import math
from dataclasses import dataclass

from component.core.gateway.errors import ParametersError
from component.core.gateway.settings import Offsets

#: A greater event id is no event of ours.
EVENT_ID_MAX = 2**62

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Offset:
    """A place: objects are behind it if their event id, or their time, is strictly greater."""

    event_id: int = 0
    at: int | None = None  #: microseconds since the epoch; None: the event id counts

    def is_before(self, event_id: int, at: int) -> bool:
        """Return whether the place is before an event."""
        return event_id > self.event_id if self.at is None else at > self.at


def parse(text: str, offsets: Offsets) -> Offset:
    """Return the offset of a request; an empty text is the place before everything.

    Raises ParametersError.
    """
    if not text:
        return Offset(at=0 if offsets == "timestamp" else None)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ParametersError("Parameter offset has wrong value")
    if offsets == "timestamp":
        return Offset(at=min(max(0, round(number * MICROSECONDS)), EVENT_ID_MAX))
    # A whole number stays exact, however great it is.
    whole = int(text) if text.strip().isdecimal() and len(text) < 20 else math.floor(number)
    return Offset(event_id=min(max(0, whole), EVENT_ID_MAX))


def timestamp(at: int) -> float:
    """Return a time as REST-XMPP-Client writes it, in seconds; `parse` reads it back exactly."""
    return at / MICROSECONDS
