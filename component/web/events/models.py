"""Models of the queries of the events API; an unknown parameter is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from component.web.archive.models import DIGITS, ID_MAX, Flag, Limit, Number, Parameters


def _place(value: object) -> object:
    """Return an event id as a number; any other text is a cursor."""
    is_event_id = isinstance(value, str) and value.isascii() and value.isdigit()
    return int(value[:DIGITS]) if is_event_id else value  # type: ignore[index]


Place = Annotated[
    int | Annotated[str, Field(min_length=1, max_length=ID_MAX)], BeforeValidator(_place)
]


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
