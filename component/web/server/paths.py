"""The paths of the API: each with a slash at its end or without, and whom they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.errors import BadRequest, ItemNotFound
from component.core.xml.jids import local, resource
from component.web.archive.models import ID_MAX
from component.web.auth import authenticate, keys

#: One archive. The JID of its owner may have braces, which aiohttp takes for none of a name.
ARCHIVE = "/v1/archives/{owner:[^/]+}"


def at(
    make: Callable[..., web.RouteDef], path: str, handler: Handler, **options: Any
) -> list[web.RouteDef]:
    """Return the routes of a path, with a slash behind it and without.

    ejabberd cuts slashes off the end of a path, and the first server wanted them there.
    """
    return [make(f"{path}{end}", handler, **options) for end in ("", "/")]


async def owner_of(request: web.Request) -> str:
    """Return whose archive a path names. Raises ItemNotFound where there can be none."""
    owner = named_owner(request)
    await check_served(request, owner)
    return owner


def named_owner(request: web.Request) -> str:
    """Return whose archive a path names, if there is one or not. Raises ItemNotFound."""
    return _user(request, "owner", "An archive belongs to a bare JID like user@domain.")


def id_of(request: web.Request) -> str:
    """Return the id that a path names. Raises ItemNotFound for what can be none."""
    id = request.match_info["id"]
    if len(id) > ID_MAX:
        raise ItemNotFound(f"An id has {ID_MAX} characters at most.")
    return id


async def check_served(request: web.Request, subject: str) -> None:
    """Return if there can be an archive of a user, or on a domain. Raises ItemNotFound."""
    served = request.app[keys.administration].served
    await served.check(subject, authenticate.principal(request))


def check_host(request: web.Request, named: str | None) -> str:
    """Return a virtual host, the first one where none is named. Raises ItemNotFound."""
    hosts = request.app[keys.hosts]
    host = hosts.default if named is None else named
    if host not in hosts:
        raise request.app[keys.administration].served.refusal(
            host, authenticate.principal(request)
        )
    return host


def account_of(request: web.Request) -> str:
    """Return whose account a path names. Raises ItemNotFound when it names nobody's."""
    return _user(request, "jid", "An account has a bare JID like user@domain.")


def subject_of(request: web.Request) -> str:
    """Return the user or the host that a path names. Raises ItemNotFound."""
    try:
        return bare_jid(request, request.match_info["subject"])
    except BadRequest as error:
        raise ItemNotFound(f"This is no user and no host: {error.message}") from error


def bare_jid(request: web.Request, address: str) -> str:
    """Return a bare JID that was given in a query or a body. Raises BadRequest."""
    jid = request.app[keys.jids].prepare(address)
    if resource(jid):
        raise BadRequest("This has to be a bare JID, without a resource.")
    return jid


def _user(request: web.Request, name: str, refusal: str) -> str:
    """Return whom a part of a path names. Raises ItemNotFound with a refusal for what is none."""
    try:
        jid = request.app[keys.jids].prepare(request.match_info[name])
    except BadRequest as error:
        raise ItemNotFound(f"This is no JID: {error.message}") from error
    if not local(jid) or resource(jid):
        raise ItemNotFound(refusal)
    return jid
