"""Remote Data routes exist for the first virtual host and for a named one, and for the server."""

from __future__ import annotations

from aiohttp import web

from component.web.auth import authenticate
from component.web.server.paths import check_host


def places(prefix: str) -> tuple[str, str]:
    """Return below what the routes of the first virtual host are, and those of a named one."""
    return prefix, f"{prefix}/{{host}}"


def host_of(request: web.Request) -> str:
    """Return the virtual host that is meant, to the server itself and nobody else.

    Raises Forbidden, ItemNotFound.
    """
    authenticate.require_server(request)
    return check_host(request, request.match_info.get("host"))
