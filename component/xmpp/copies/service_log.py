"""XEP-0297: Stanza Forwarding, version 1.0. Copies from mod_service_log, for the archive.

<message from=VIRTUAL-HOST to=COMPONENT><forwarded><message xmlns='jabber:client' .../></forwarded>
</message>. Nothing in it tells the direction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from component.core.archiving.ingest import Ingest
from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.stanza import Stanza, read
from component.core.xml.stream_parser import Element, Malformed
from component.core.xml.times import now
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.mucsub import unwrapped

log = logging.getLogger(__name__)


class ServiceLog:
    """Takes copies from the virtual hosts, and from nobody else."""

    def __init__(
        self,
        ingest: Ingest,
        addresses: Addresses,
        hosts: Hosts,
        *,
        on_iq: Callable[[str, Element], None] = lambda *_: None,
        on_presence: Callable[[Element, bytes], None] = lambda *_: None,
        on_message: Callable[[Stanza], None] = lambda _: None,
        on_active: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        """`on_active` hears of which user a session sent anything, and when.

        `on_iq` hears each copied IQ, with the virtual host that sent the copy.

        `on_presence` hears each copied presence, with its bytes, `on_message` each message.
        """
        self._ingest = ingest
        self._on_iq = on_iq
        self._on_presence = on_presence
        self._on_message = on_message
        self._on_active = on_active
        self._addresses = addresses
        self._hosts = hosts

    def take(self, host: str, stanza: Element, raw: bytes) -> None:
        """Archive the message in a copy that this host sent, or tell of the other stanza in it."""
        if host not in self._hosts:
            log.debug("dropped a forwarded stanza: it is not from a virtual host")
            return
        at, sender = now(), self._addresses.accept(stanza.get("from"))
        # Only a session has a resource.
        if jids.domain(sender) == host and jids.local(sender) and jids.resource(sender):
            self._on_active(jids.bare(sender), at)
        if stanza.name == "message":
            self._take_message(host, stanza, raw, at)
        elif stanza.name == "presence":
            self._on_presence(stanza, raw)
        elif stanza.name == "iq":
            self._on_iq(host, stanza)

    def _take_message(self, host: str, message: Element, raw: bytes, at: int) -> None:
        # Archives have addresses prepared; servers pass them on as typed.
        stanza = read(message, raw, self._addresses.accept)
        # A host logs its own users only.
        if host not in (jids.domain(stanza.sender), jids.domain(stanza.recipient)):
            log.debug("dropped a copy from %s: none of its users is in it", host)
            return
        self._on_message(stanza)
        try:
            wrapped = unwrapped(stanza, self._hosts, self._addresses.accept)
            for each in wrapped or (stanza,):
                self._ingest.take(each, at, host)
        except Malformed as error:
            log.warning("left out a message: %s", error)
