"""Virtual hosts of Remote Data routes: each route has a path for the first, and one for any."""

from __future__ import annotations

from aiohttp import web

from component.web.auth import authenticate
from component.web.server.paths import check_host


def places(prefix: str) -> tuple[str, str]:
    """Return the prefix of paths for the first virtual host, and that for any by its name."""
    return prefix, f"{prefix}/{{host}}"


def host_of(request: web.Request) -> str:
    """Return the virtual host of a request.

    Raises Forbidden if the caller is not the server, ItemNotFound for an unknown host.
    """
    authenticate.require_server(request)
    return check_host(request, request.match_info.get("host"))
