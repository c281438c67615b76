"""Slots of the server's upload service, for users (XEP-0363)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

from cachetools import TTLCache

from component.core.access.principals import User
from component.core.ejabberd_options import NS_DISCO_INFO
from component.core.errors import NotImplementedHere, Overloaded, TooLarge
from component.core.sessions.delivery import Undelivered
from component.core.sessions.queries import UserQueries
from component.core.xml.jids import domain
from component.core.xml.stream_parser import Element

NS = "urn:xmpp:http:upload:0"
NS_DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
_NS_DATA = "jabber:x:data"

#: Items of a server that are asked whether they are an upload service.
ITEMS_MAX = 20

#: Seconds for which the service of a domain is remembered, or that it has none; and the domains.
FRESH_SECONDS = 600.0
DOMAINS_MAX = 1000

#: The only headers that a service may ask for (section 5).
HEADERS = frozenset({"authorization", "cookie", "expires"})


@dataclass(frozen=True, slots=True)
class UploadService:
    """The upload service of a domain."""

    jid: str
    max_bytes: int | None  #: the greatest size of a file, None: it does not say one


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a file is sent to by PUT, and where it is then."""

    put: str
    get: str
    headers: dict[str, str] = field(repr=False)  #: of the PUT; they may have a secret


class Uploads:
    """Finds upload services, and asks them for slots."""

    def __init__(
        self, queries: UserQueries, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` returns seconds."""
        self._queries = queries
        #: by domain; None: it has none
        self._services: TTLCache[str, UploadService | None] = TTLCache(
            DOMAINS_MAX, FRESH_SECONDS, timer=clock
        )

    async def slot(self, user: User, *, name: str, size: int, type: str) -> Slot:
        """Return a slot for a file; `size` is in bytes, `type` its media type.

        Raises NotImplementedHere if the server has no upload service, TooLarge, Undelivered if the
        service refuses, NotAuthorized, Overloaded.
        """
        service = await self.service(user)
        if service is None:
            raise NotImplementedHere("The XMPP server takes no files (XEP-0363).")
        if service.max_bytes is not None and size > service.max_bytes:
            raise TooLarge(f"size: too large: {service.max_bytes} bytes at most")
        request = (
            f"<request xmlns='{NS}' filename={quoteattr(name)} size='{size}'"
            f" content-type={quoteattr(type)}/>"
        )
        element, _ = await self._queries.get(user, request, service.jid)
        slot = _slot(element)
        if slot is None:
            raise Overloaded("The upload service gave no slot: try again.")
        return slot

    async def service(self, user: User) -> UploadService | None:
        """Return the upload service of the server of a user, None if it has none.

        Raises NotAuthorized, Overloaded.
        """
        host = domain(user.jid)
        if host not in self._services:
            self._services[host] = await self._find(user, host)
        return self._services[host]

    async def _find(self, user: User, host: str) -> UploadService | None:
        for jid in [host, *await self._items(user, host)]:
            try:
                info, _ = await self._queries.get(user, f"<query xmlns='{NS_DISCO_INFO}'/>", jid)
            except Undelivered as refused:
                if not refused.by:
                    raise
                continue
            features = [child.get("var") for child in info.elements if child.name == "feature"]
            if NS in features:
                return UploadService(jid, _max_bytes(info))
        return None

    async def _items(self, user: User, host: str) -> list[str]:
        try:
            items, _ = await self._queries.get(user, f"<query xmlns='{NS_DISCO_ITEMS}'/>", host)
        except Undelivered as refused:
            if not refused.by:
                raise
            return []
        jids = [item.get("jid") for item in items.elements if not item.get("node")]
        return [jid for jid in jids if jid][:ITEMS_MAX]


def _max_bytes(info: Element) -> int | None:
    """Return the greatest size of a file in a form of disco#info (section 4)."""
    for form in info.elements:
        if (form.ns, form.name) != (_NS_DATA, "x"):
            continue
        for item in form.elements:
            value = item.child(_NS_DATA, "value")
            if item.get("var") == "max-file-size" and value is not None:
                return int(value.text) if value.text.isascii() and value.text.isdigit() else None
    return None


def _slot(element: Element) -> Slot | None:
    """Return the slot in a result, None if there is none."""
    put, get = element.child(NS, "put"), element.child(NS, "get")
    if (element.ns, element.name) != (NS, "slot") or put is None or get is None:
        return None
    urls = put.get("url"), get.get("url")
    if not all(url.startswith(("https://", "http://")) for url in urls):
        return None
    headers = {}
    for header in put.elements:
        name = header.get("name").replace("\n", "").strip()
        if header.name == "header" and name.lower() in HEADERS:
            headers[name] = header.text.replace("\r", "").replace("\n", "").strip()
    return Slot(*urls, headers)
