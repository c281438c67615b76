"""Metrics for Prometheus: /metrics."""

from __future__ import annotations

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from component.web import keys
from component.web.metrics.state import ProgramState
from component.web.server.family import Family
from component.web.server.operation import Content, operation
from component.web.server.settings import Listener, Services, WebSettings


@operation(
    "metrics.read", answers={200: (Content("text/plain"), Content("application/openmetrics-text"))}
)
async def metrics(request: web.Request) -> web.Response:
    """GET /metrics: all metrics, as text or in OpenMetrics, as the Accept header asks."""
    state = request.app[keys.program_state]
    await state.read_totals()
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(state), headers={"Content-Type": content_type})


def _metrics(prefix: str, _: WebSettings, services: Services) -> web.Application:
    app = web.Application()
    app.add_routes([web.get(prefix, metrics)])
    app[keys.program_state] = ProgramState(services)
    return app


#: Like health it is for every caller that may connect to the private listener.
METRICS = Family(
    name="metrics",
    listener=Listener.PRIVATE,
    prefix="/metrics",
    authenticate=None,
    is_watched=True,
    make_app=_metrics,
)
