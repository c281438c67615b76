"""Trust in the network: who shows no secret is the server, unless it may be a page in a browser.

Any page on the internet can have the browsers of people near us send requests here. Two things
give it away, and both are checked. Under a name of its own that it lets resolve to our address
(DNS rebinding) it may read answers and set most headers, but not `Host`. From elsewhere it is
bound to what browsers send of themselves.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from aiohttp import web
from multidict import CIMultiDictProxy

from component.core.errors import Misdirected, NotAuthorized
from component.web.server.addresses import address_of
from component.web.server.settings import WebSettings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# RFC 9110 section 7.2: a name, an IPv4 address, or an IPv6 address in brackets; perhaps a port.
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[^\s\[\]:/@?#]+))(?::[0-9]*)?")

#: Headers that browsers send, beside all that begin with `Sec-`, and neither ejabberd nor simple
#: HTTP clients do. A page cannot leave out `Accept-Language`, nor can an image.
_OF_BROWSERS = (
    "Origin",
    "Referer",
    "Cookie",
    "Upgrade-Insecure-Requests",
    "Accept-Language",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Private-Network",
    "DNT",
    "Ping-From",
    "Ping-To",
    "Purpose",
    "Save-Data",
    "Service-Worker",
    "X-Moz",
)

#: What browsers accept where they load pages, images, styles and media.
_ACCEPTED = ("text/html", "application/xhtml+xml", "image/", "text/css", "audio/", "video/")

#: How browsers call themselves, in lower case.
_AGENTS = ("mozilla/", "opera/")


def check(request: web.Request, settings: WebSettings) -> None:
    """Return if a request that shows no secret can be one of the server.

    Raises Misdirected for a Host that is not ours, NotAuthorized for what a browser sends.
    """
    if not _is_ours(request, settings):
        raise Misdirected(
            "The Host header, or the address in the request line, names no host of this server:"
            " call it by its address, or add the name to http.hosts."
        )
    sign = _sign_of_browser(request.headers)
    if sign is not None:
        raise NotAuthorized(
            f"This looks like a request of a browser ({sign}), and those are not trusted for their"
            " network: show a secret, Authorization: Bearer SECRET or X-Api-Key: SECRET."
        )


def _is_ours(request: web.Request, settings: WebSettings) -> bool:
    """Whether there is one Host header, and it means us; its port says nothing about that.

    Where the request line has a whole URL, that has to mean us too (RFC 9112 section 3.2.2).
    """
    named = list(request.headers.getall("Host", ()))
    if len(named) != 1:
        return False
    if not request.raw_path.startswith("/"):
        named.append(request.raw_path.partition("://")[2].partition("/")[0])
    own = {_normal(name) for name in (settings.address, *settings.hosts)}
    own.add(str(address_of(request.transport, "sockname")))
    return all(_host(one) in _LOOPBACK | own for one in named)


def _host(named: str) -> str | None:
    """Return the host of a Host header as it is compared, None where that is malformed."""
    found = _HOST.fullmatch(named.strip().lower())
    return None if found is None else _normal(found["ipv6"] or found["name"])


def _normal(host: str) -> str:
    """Return a host name or an IP address in the one spelling by which it is compared."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


def _sign_of_browser(headers: CIMultiDictProxy[str]) -> str | None:
    """Return the header that shows that a browser asks, None where nothing does."""
    for name in headers:
        if name.lower().startswith("sec-"):
            return name
    for name in _OF_BROWSERS:
        if name in headers:
            return name
    if any(kind in value.lower() for value in headers.getall("Accept", ()) for kind in _ACCEPTED):
        return "Accept"
    agents = headers.getall("User-Agent", ())
    return "User-Agent" if any(value.lower().startswith(_AGENTS) for value in agents) else None
