"""The paths of the administration, and whom they name."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.errors import BadRequest, ItemNotFound
from component.core.jids import resource
from component.web import keys
from component.web.archives import ARCHIVE, owner_of

__all__ = ["ARCHIVE", "at", "bare_jid", "owner_of", "subject_of"]


def at(make: Callable[..., web.RouteDef], path: str, handler: Handler) -> list[web.RouteDef]:
    """Return the routes of a path, with a slash behind it or without."""
    return [make(path, handler), make(f"{path}/", handler)]


def bare_jid(request: web.Request, address: str) -> str:
    """Return a bare JID that was given in a query or a body. Raises BadRequest."""
    jid = request.app[keys.jids].prepare(address)
    if resource(jid):
        raise BadRequest("This has to be a bare JID, without a resource.")
    return jid


def subject_of(request: web.Request) -> str:
    """Return the user or the host that a path names. Raises ItemNotFound."""
    try:
        return bare_jid(request, request.match_info["subject"])
    except BadRequest as error:
        raise ItemNotFound(f"This is no user and no host: {error.message}") from error
