"""Health, for programs that watch or start this process: /health/live and /health/ready."""

from __future__ import annotations

from aiohttp import web

from component.web import keys
from component.web.health.answers import Live, Ready
from component.web.health.readiness import Readiness
from component.web.server.body import json_response
from component.web.server.family import Family
from component.web.server.operation import operation
from component.web.server.settings import Listener, Services, WebSettings


@operation("health.live", answers={200: Live})
async def live(_: web.Request) -> web.Response:
    """GET /health/live: the process runs and answers."""
    return json_response({"status": "live"})


@operation("health.ready", answers={200: Ready, 503: Ready})
async def ready(request: web.Request) -> web.Response:
    """GET /health/ready: 200 if every part can do its work, else 503 and the parts that cannot."""
    parts = await request.app[keys.readiness].parts()
    is_ready = all(part["ok"] for part in parts.values())
    status = "ready" if is_ready else "unready"
    return json_response({"status": status, "parts": parts}, status=200 if is_ready else 503)


def _health(prefix: str, settings: WebSettings, services: Services) -> web.Application:
    app = _liveness(prefix, settings, services)
    app.add_routes([web.get(f"{prefix}/ready", ready)])
    app[keys.readiness] = Readiness(
        services.storage,
        services.writer,
        services.link,
        services.grants,
        services.administration.approval,
        services.background,
    )
    return app


def _liveness(prefix: str, _: WebSettings, __: Services) -> web.Application:
    app = web.Application()
    app.add_routes([web.get(f"{prefix}/live", live)])
    return app


HEALTH = Family(
    name="health",
    listener=Listener.PRIVATE,
    prefix="/health",
    authenticate=None,
    is_watched=True,
    make_app=_health,
)

#: The public listener does not show the state of the parts to strangers.
LIVENESS = Family(
    name="liveness",
    listener=Listener.PUBLIC,
    prefix="/health",
    authenticate=None,
    is_watched=True,
    make_app=_liveness,
)
