"""Figures of the gateway: GET {gateway}/server-status."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

from aiohttp import web

from component.core.gateway.errors import AuthError
from component.web import keys
from component.web.gateway.answers import ServerStatus
from component.web.gateway.authenticate import settings
from component.web.server import body
from component.web.server.operation import operation
from component.web.server.paths import routes_at

_UNITS = ("B", "kB", "MB", "GB", "TB")

_CLOSED = "Only operators may read these figures, on the private listener (gateway.public_status)."


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes of the private listener below a prefix."""
    return routes_at(web.get, f"{prefix}/server-status", status)


def public_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes of the public listener below a prefix."""
    return routes_at(web.get, f"{prefix}/server-status", public_status)


@operation("gateway.status", answers={200: ServerStatus})
async def status(request: web.Request) -> web.Response:
    """GET {gateway}/server-status: the number of sessions, users and connections, and memory."""
    sessions = request.app[keys.gateway].sessions
    totals = await sessions.totals()
    return body.json_response(
        {
            "im_sessions": totals.sessions,
            "im_clients": totals.users,
            "xmpp_clients": sessions.connections,
            "memory": _memory(),
            "threads": threading.active_count(),
        }
    )


@operation("gateway.status", answers={200: ServerStatus})
async def public_status(request: web.Request) -> web.Response:
    """GET {gateway}/server-status: the same, for everybody if gateway.public_status is true."""
    if not settings(request).public_status:
        raise AuthError(_CLOSED)
    return await status(request)


def _memory() -> dict[str, object]:
    """Return the memory of the process in the greatest unit that fits."""
    value, unit = float(_resident_bytes()), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return {"value": value, "units": _UNITS[unit]}


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        # The maximum so far, in kB, where there is no /proc.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()
