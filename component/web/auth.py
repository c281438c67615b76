"""Who may call: a network that is allowed, and the shared secret."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from component.core.errors import Forbidden, NotAuthorized
from component.web import health, keys
from component.web.settings import WebSettings


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let those requests through that come from a known network and show the secret."""
    if request.match_info.handler not in health.OPEN:
        settings = request.app[keys.settings]
        if not _is_near(request, settings):
            raise Forbidden("Requests from this address are not answered.")
        if not _shows_secret(request, settings):
            raise NotAuthorized(
                "Show the secret of this server: Authorization: Bearer SECRET, or X-Api-Key."
            )
    return await handler(request)


def _is_near(request: web.Request, settings: WebSettings) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not isinstance(peer, tuple):
        # A Unix socket: the permissions of its file have decided.
        return request.transport is not None
    address = ip_address(peer[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in settings.allow_from)


def _shows_secret(request: web.Request, settings: WebSettings) -> bool:
    if settings.secret is None:
        return True
    expected = settings.secret.encode()
    shown = [value.encode(errors="surrogateescape") for value in _shown(request)]
    return any([hmac.compare_digest(value, expected) for value in shown])


def _shown(request: web.Request) -> Iterator[str]:
    # ejabberd passes headers on as they stand in its configuration, blanks included.
    for value in request.headers.getall("Authorization", ()):
        scheme, _, secret = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            yield secret.strip()
    for value in request.headers.getall("X-Api-Key", ()):
        yield value.strip()
