"""Trust the network: a request without a secret is the server's, unless a browser may send it.

Any web page can make the browsers in our network send requests to us. Two checks detect such
requests. A page whose own name resolves to our address (DNS rebinding) can read answers and set
most headers, but not `Host`. A page of another name cannot keep the browser from sending the
headers of a browser.
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
#: HTTP clients do. No page or image can leave out `Accept-Language`.
_BROWSER_HEADERS = (
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

#: Media types that browsers accept for pages, images, styles and media.
_TYPES = ("text/html", "application/xhtml+xml", "image/", "text/css", "audio/", "video/")

#: Beginnings of the user agents of browsers, in lower case.
_AGENTS = ("mozilla/", "opera/")


def check(request: web.Request, settings: WebSettings) -> None:
    """Check that a request without a secret can be the server's.

    Raises Misdirected if the Host is not ours, NotAuthorized if a browser may send the request.
    """
    if not _is_ours(request, settings):
        raise Misdirected(
            "The Host header, or the address in the request line, names no host of this server:"
            " call it by its address, or add the name to http.hosts."
        )
    header = _browser_header(request.headers)
    if header is not None:
        raise NotAuthorized(
            f"This looks like a request of a browser ({header}), and those are not trusted for"
            " their network: show a secret, Authorization: Bearer SECRET or X-Api-Key: SECRET."
        )


def _is_ours(request: web.Request, settings: WebSettings) -> bool:
    """Return whether there is one Host header, which names us, with any port.

    If the request line has an absolute URL, its host has to name us too (RFC 9112 section 3.2.2).
    """
    hosts = list(request.headers.getall("Host", ()))
    if len(hosts) != 1:
        return False
    if not request.raw_path.startswith("/"):
        hosts.append(request.raw_path.partition("://")[2].partition("/")[0])
    own = {_normal(name) for name in (settings.address, *settings.hosts)}
    own.add(str(address_of(request.transport, "sockname")))
    return all(_host(host) in _LOOPBACK | own for host in hosts)


def _host(header: str) -> str | None:
    """Return the normalised host of a Host header, None if the header is malformed."""
    match = _HOST.fullmatch(header.strip().lower())
    return None if match is None else _normal(match["ipv6"] or match["name"])


def _normal(host: str) -> str:
    """Return a host name or an IP address in its normal form."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


def _browser_header(headers: CIMultiDictProxy[str]) -> str | None:
    """Return a header that only browsers send, None if a request has none."""
    for name in headers:
        if name.lower().startswith("sec-"):
            return name
    for name in _BROWSER_HEADERS:
        if name in headers:
            return name
    if any(kind in value.lower() for value in headers.getall("Accept", ()) for kind in _TYPES):
        return "Accept"
    agents = headers.getall("User-Agent", ())
    return "User-Agent" if any(value.lower().startswith(_AGENTS) for value in agents) else None
