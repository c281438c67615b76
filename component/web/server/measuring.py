"""The middleware that counts and times the requests of a family."""

from __future__ import annotations

from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from component.core.metrics import Metrics
from component.web import keys


def measure(metrics: Metrics, family: str) -> Middleware:
    """Return the outermost middleware of a family.

    Streams, polls and exports have no time, because they last for as long as their callers like.
    """

    @web.middleware
    async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        answer = await handler(request)
        metrics.http_requests.labels(family, str(answer.status)).inc()
        if request.match_info.handler not in request.app[keys.streaming_handlers]:
            metrics.http_request_seconds.labels(family).observe(perf_counter() - began)
        return answer

    return measured
