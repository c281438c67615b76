"""Who may call, and what: a near network, with the secret of the server or of an operator."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.errors import Forbidden, NotAuthorized
from component.core.operators import SERVER, Operator, Role
from component.web import health, keys
from component.web.settings import Network, WebSettings

#: Addresses of callers that are remembered.
REMEMBERED = 1000


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let those requests through that come from a known network and show a secret."""
    if request.match_info.handler not in health.OPEN:
        settings = request.app[keys.settings]
        if not _is_near(request, settings):
            raise Forbidden("Requests from this address are not answered.")
        caller = _caller(request, settings)
        if caller is None:
            raise NotAuthorized(
                "Show a secret that is known here: Authorization: Bearer SECRET, or X-Api-Key."
            )
        request[keys.operator] = caller
    return await handler(request)


def operator(request: web.Request) -> Operator:
    """Return who calls."""
    return request[keys.operator]


def require(request: web.Request, role: Role) -> Operator:
    """Return who calls, if that is somebody of this role or above. Raises Forbidden."""
    caller = operator(request)
    if role is Role.ADMIN and caller.role is not Role.ADMIN:
        raise Forbidden(f'This is for operators of the role "{role}".')
    return caller


def require_server(request: web.Request) -> None:
    """Return if it is the server that calls. Raises Forbidden."""
    if operator(request) != SERVER:
        raise Forbidden("This is for the server itself, not for operators.")


def _is_near(request: web.Request, settings: WebSettings) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not isinstance(peer, tuple):
        # A Unix socket: the permissions of its file have decided.
        return request.transport is not None
    return _is_within(peer[0], settings.allow_from)


@lru_cache(REMEMBERED)
def _is_within(host: str, networks: tuple[Network, ...]) -> bool:
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def _caller(request: web.Request, settings: WebSettings) -> Operator | None:
    """Return whose secret is shown, None if it is nobody's."""
    known = [(each, each.secret) for each in settings.operators]
    known.append((SERVER, settings.secret))
    shown = [value.encode(errors="surrogateescape") for value in _shown(request)]
    # All are compared, so that the time it takes tells nothing.
    found = [
        each
        for each, secret in known
        if secret and any([hmac.compare_digest(value, secret.encode()) for value in shown])
    ]
    if found:
        return found[0]
    # A secret that is nobody's is a mistake, not a caller without one.
    return SERVER if settings.trusts_network and not shown and not _is_page(request) else None


def _is_page(request: web.Request) -> bool:
    """Whether a page in somebody's browser calls: that it is near does not make it trusted."""
    fetched = request.headers.get("Sec-Fetch-Site", "none")
    return fetched != "none" or "Origin" in request.headers


def _shown(request: web.Request) -> Iterator[str]:
    # ejabberd passes headers on as they stand in its configuration, blanks included.
    for value in request.headers.getall("Authorization", ()):
        scheme, _, secret = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            yield secret.strip()
    for value in request.headers.getall("X-Api-Key", ()):
        yield value.strip()
