"""GET /health/live and /health/ready: for whoever watches or starts this process."""

from __future__ import annotations

from aiohttp import web

from component.web.auth import keys
from component.web.server.body import answer

routes = web.RouteTableDef()


@routes.get("/health/live")
async def live(_: web.Request) -> web.Response:
    """GET /health/live: the process runs and answers."""
    return answer({"status": "live"})


@routes.get("/health/ready")
async def ready(request: web.Request) -> web.Response:
    """GET /health/ready: 200 when every part can do its work, 503 and which cannot otherwise."""
    parts = await request.app[keys.readiness].parts()
    is_ready = all(part["ok"] for part in parts.values())
    status = "ready" if is_ready else "unready"
    return answer({"status": status, "parts": parts}, status=200 if is_ready else 503)


#: What is answered without asking who calls.
OPEN = frozenset({live, ready})
