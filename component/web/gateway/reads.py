"""The queries of requests for contacts and messages."""

from __future__ import annotations

from aiohttp import web

from component.core.gateway.offsets import Offset, parse, timestamp
from component.core.gateway.reader import Changes, Query
from component.web.gateway.authenticate import settings
from component.web.gateway.models import ReadParameters, checked_parameters
from component.web.server import body


def parameters_of(request: web.Request) -> ReadParameters:
    """Return the parameters of the query. Raises ParametersError."""
    return checked_parameters(ReadParameters, body.query(request))


def query_of(
    request: web.Request,
    parameters: ReadParameters,
    *,
    contacts: bool = False,
    messages: bool = False,
) -> Query:
    """Return the query for the objects behind the offset. Raises ParametersError."""
    limit = settings(request).page_max
    return Query(
        offset=parse(parameters.offset, settings(request).offsets),
        contacts=contacts,
        messages=messages,
        limit=min(limit, parameters.limit or limit),
    )


def offset_of(changes: Changes, offset: Offset) -> int | float:
    """Return the offset with which a client goes on behind an answer."""
    if offset.at is None:
        return changes.event_id
    times = [timestamp(offset.at)]
    times += [timestamp(item.changed_at) for item in changes.contacts]
    times += [item.timestamp for item in changes.messages]
    return max(times)
