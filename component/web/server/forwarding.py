"""Callers behind reverse proxies: the address in X-Forwarded-For, if a trusted proxy sends it.

Each proxy appends the address of its own caller, so the entries are believed from the right: up to
the first one that is no trusted proxy. Everything to the left of it may be invented.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from component.core.errors import Overloaded
from component.web import keys
from component.web.server.addresses import (
    UNIX_SOCKET,
    Address,
    LogOnce,
    address_of,
    is_within,
    parsed,
    party_at,
)
from component.web.server.settings import Listener, ListenerSettings, Network

log = logging.getLogger(__name__)

#: Requests of one party beyond its limit, or connections, on which only health and metrics are
#: answered: whoever watches the program sees that it is overloaded, and not that it has gone.
RESERVED_PER_PARTY = 2

HEADER = "X-Forwarded-For"

# Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
_ENTRY = re.compile(
    r"\[(?P<ipv6>[^\[\]]+)\](?::[0-9]+)?|(?P<ipv4>[0-9.]+):[0-9]+|(?P<plain>[^\[\]]+)"
)


def is_proxy(address: Address | None, trusted: tuple[Network, ...]) -> bool:
    """Return whether the other end of a connection is a trusted proxy; None is a Unix socket."""
    if address is None:
        return bool(trusted)
    return is_within(address, trusted)


def forwarded_address(
    peer: Address | None, values: Sequence[str], trusted: tuple[Network, ...]
) -> Address | None:
    """Return the address of the caller behind a connection from `peer`.

    `values` are those of all headers X-Forwarded-For. None stands for a Unix socket.
    """
    address = peer
    if not is_proxy(peer, trusted):
        return peer
    for entry in reversed(",".join(values).split(",")):
        before = _address(entry.strip())
        if before is None:
            break
        address = before
        if not is_within(before, trusted):
            break
    return address


def identify(settings: ListenerSettings) -> Middleware:
    """Return a middleware that finds the party of each request, and limits parties behind proxies.

    A proxy keeps connections for many callers. So each of their requests counts as a connection
    while it is answered, a stream as long as it lasts. As there are connections beyond the limits,
    there is room for RESERVED_PER_PARTY more requests of each party that watch the program.
    """
    under_way: Counter[str] = Counter()
    log_once = LogOnce()

    @web.middleware
    async def identify_party(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = address_of(request.transport)
        values = request.headers.getall(HEADER, ())
        # Without a transport the caller has gone, and is no Unix socket.
        trusted = settings.trusted_proxies if request.transport is not None else ()
        address = forwarded_address(peer, values, trusted)
        party = request[keys.party] = UNIX_SOCKET if address is None else party_at(address)
        if address == peer:
            if values and settings.section is Listener.PUBLIC and log_once.is_new(party):
                log.info(
                    "requests from %s have a header %s, which is ignored: if a reverse proxy sends"
                    " them, name it in %s.trusted_proxies",
                    party,
                    HEADER,
                    settings.section,
                )
            return await handler(request)
        maximum = settings.max_connections_per_address
        if any(app.get(keys.is_watched, False) for app in request.match_info.apps):
            maximum += RESERVED_PER_PARTY
        if under_way[party] >= maximum:
            if log_once.is_new(party):
                log.info(
                    "too many HTTP requests from %s: see %s.max_connections_per_address",
                    party,
                    settings.section,
                )
            raise Overloaded("Too many requests from this address are under way: end some.")
        under_way[party] += 1
        try:
            return await handler(request)
        finally:
            under_way[party] -= 1
            if not under_way[party]:
                del under_way[party]

    return identify_party


def _address(entry: str) -> Address | None:
    """Return the address in an entry of the header, None if it has none."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        return None
    try:
        return parsed(match["ipv6"] or match["ipv4"] or match["plain"])
    except ValueError:
        return None
