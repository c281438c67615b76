"""Paths of the APIs, with and without a slash at the end, and the JIDs in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.access.principals import User
from component.core.errors import BadRequest, ItemNotFound
from component.core.xml.jids import local, resource
from component.web import keys
from component.web.archive.models import ID_MAX
from component.web.auth import authenticate

#: One archive. By default aiohttp takes no braces in a variable part, but a JID may have some.
ARCHIVE = "/archives/{owner:[^/]+}"


def routes_at(
    make: Callable[..., web.RouteDef], path: str, handler: Handler, **options: Any
) -> list[web.RouteDef]:
    """Return the routes of a path, with a slash at its end and without.

    ejabberd removes slashes at the end of a path; djabberd required them.
    """
    return [make(f"{path}{end}", handler, **options) for end in ("", "/")]


async def owner_of(request: web.Request) -> str:
    """Return the owner in the path. Raises ItemNotFound if the owner cannot have an archive."""
    owner = named_owner(request)
    await check_served(request, owner)
    return owner


def named_owner(request: web.Request) -> str:
    """Return the owner in the path, on any domain. Raises ItemNotFound if it is no bare JID."""
    return _user(request, "owner", "An archive belongs to a bare JID like user@domain.")


def id_of(request: web.Request) -> str:
    """Return the message id in the path. Raises ItemNotFound if it is too long to be one."""
    id = request.match_info["id"]
    if len(id) > ID_MAX:
        raise ItemNotFound(f"An id has {ID_MAX} characters at most.")
    return id


async def check_served(request: web.Request, subject: str) -> None:
    """Raise ItemNotFound if there can be no archive of this user, or on this domain.

    Users learn nothing about archives that they may not read, so they are not told.
    """
    if isinstance(authenticate.principal(request), User):
        return
    served = request.app[keys.administration].served
    await served.check(subject, authenticate.principal(request))


def check_host(request: web.Request, named: str | None) -> str:
    """Return `named`, or the first virtual host if it is None. Raises ItemNotFound if unknown."""
    hosts = request.app[keys.hosts]
    host = hosts.default if named is None else named
    if host not in hosts:
        raise request.app[keys.administration].served.refusal(
            host, authenticate.principal(request)
        )
    return host


def account_of(request: web.Request) -> str:
    """Return the account in the path. Raises ItemNotFound if it is no bare JID of a user."""
    return _user(request, "jid", "An account has a bare JID like user@domain.")


def subject_of(request: web.Request) -> str:
    """Return the user or the host in the path. Raises ItemNotFound."""
    try:
        return bare_jid(request, request.match_info["subject"])
    except BadRequest as error:
        raise ItemNotFound(f"This is no user and no host: {error.message}") from error


def bare_jid(request: web.Request, address: str) -> str:
    """Return a bare JID of a query or a body, prepared. Raises BadRequest."""
    jid = request.app[keys.jids].prepare(address)
    if resource(jid):
        raise BadRequest("This has to be a bare JID, without a resource.")
    return jid


def _user(request: web.Request, name: str, refusal: str) -> str:
    """Return the bare JID of a user in a part of the path. Raises ItemNotFound."""
    try:
        jid = request.app[keys.jids].prepare(request.match_info[name])
    except BadRequest as error:
        raise ItemNotFound(f"This is no JID: {error.message}") from error
    if not local(jid) or resource(jid):
        raise ItemNotFound(refusal)
    return jid
