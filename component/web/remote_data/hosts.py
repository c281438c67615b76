"""Virtual hosts of Remote Data routes: a path for the first host, and one with a host's name."""

from __future__ import annotations

from aiohttp import web

from component.web.auth import authenticate
from component.web.server.paths import check_host


def places(prefix: str) -> tuple[str, str]:
    """Return the prefixes of paths for the first virtual host and for a named one."""
    return prefix, f"{prefix}/{{host}}"


def host_of(request: web.Request) -> str:
    """Return the virtual host of a request.

    Raises Forbidden if the caller is not the server, ItemNotFound for an unknown host.
    """
    authenticate.require_server(request)
    return check_host(request, request.match_info.get("host"))
