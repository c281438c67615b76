"""XEP-0297: Stanza Forwarding, version 1.0. Copies of mod_service_log, for the archive.

<message from=VIRTUAL-HOST to=COMPONENT><forwarded><message xmlns='jabber:client' .../></forwarded>
</message>. A copy does not say whether the server sent the stanza or received it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

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
    """Takes copies from the virtual hosts alone."""

    def __init__(
        self,
        ingest: Ingest,
        addresses: Addresses,
        hosts: Hosts,
        *,
        on_iq: Sequence[Callable[[str, Element, bytes], None]] = (),
        on_presence: Sequence[Callable[[Element, bytes], None]] = (),
        on_message: Sequence[Callable[[Stanza], None]] = (),
        on_active: Callable[[str, int], None] = lambda *_: None,
        on_copy: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_iq` are called with the host that sent the copy, each IQ and its bytes,
        `on_presence` with each presence and its bytes, `on_message` with each message, `on_active`
        with each user who sent anything from a session, and when, in microseconds, and `on_copy`
        with the host that sent each copy.
        """
        self._ingest = ingest
        self._on_iq = on_iq
        self._on_presence = on_presence
        self._on_message = on_message
        self._on_active = on_active
        self._on_copy = on_copy
        self._addresses = addresses
        self._hosts = hosts

    def take(self, host: str, stanza: Element, raw: bytes) -> None:
        """Archive the message in a copy from `host`, or pass another stanza to its handler."""
        if host not in self._hosts:
            log.debug(
                "dropped the copy of %r from %r: it is not a virtual host", stanza.get("id"), host
            )
            return
        self._on_copy(host)
        at, sender = now(), self._addresses.accept(stanza.get("from"))
        # A resource is that of a session.
        if jids.domain(sender) == host and jids.local(sender) and jids.resource(sender):
            self._on_active(jids.bare(sender), at)
        if stanza.name == "message":
            self._take_message(host, stanza, raw, at)
        elif stanza.name == "presence":
            for take_presence in self._on_presence:
                take_presence(stanza, raw)
        elif stanza.name == "iq":
            for take_iq in self._on_iq:
                take_iq(host, stanza, raw)

    def _take_message(self, host: str, message: Element, raw: bytes, at: int) -> None:
        # Archives have prepared addresses, but servers pass them on as typed.
        stanza = read(message, raw, self._addresses.accept)
        # A host logs only stanzas of its own users.
        if host not in (jids.domain(stanza.sender), jids.domain(stanza.recipient)):
            log.debug(
                "dropped the copy of %r from %s: it is of none of its users", stanza.id, host
            )
            return
        for take_message in self._on_message:
            take_message(stanza)
        try:
            in_event = unwrapped(stanza, self._hosts, self._addresses.accept)
            for message_to_archive in in_event or (stanza,):
                self._ingest.take(message_to_archive, at, host)
        except Malformed as error:
            log.warning("left out message %r, copied by %s: %s", stanza.id, host, error)
