"""Models of the queries of the events API; an unknown parameter is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from component.web.archive.models import DIGITS, ID_MAX, Flag, Limit, Number, Parameters


def _place(value: object) -> object:
    """Return an event id as a number; any other text is a cursor."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:DIGITS])
    is_number = isinstance(value, int) and not isinstance(value, bool)
    is_cursor = isinstance(value, str) and 0 < len(value) <= ID_MAX
    if not is_number and not is_cursor:
        raise ValueError(f"expected an event id, or a cursor of up to {ID_MAX} characters")
    return value


Place = Annotated[int | str, BeforeValidator(_place)]


class SnapshotParameters(Parameters):
    """GET {prefix}/v1/archives/{owner}/snapshot."""

    limit: Limit | None = None
    xml: Flag = True


class EventStreamParameters(Parameters):
    """GET {prefix}/v1/archives/{owner}/events/stream."""

    after: Place | None = None
    xml: Flag = True


class EventsParameters(EventStreamParameters):
    """GET {prefix}/v1/archives/{owner}/events."""

    limit: Limit | None = None
    wait: Number = 0
