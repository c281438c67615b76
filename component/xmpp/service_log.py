"""Copies of stanzas from ejabberd's mod_service_log, on their way into the archive.

<message from=VIRTUAL-HOST to=COMPONENT><forwarded><message xmlns='jabber:client' .../></forwarded>
</message>, XEP-0297. Nothing in it tells the direction.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from component.core import jids
from component.core.ingest import Ingest
from component.core.stanza import NS_CLIENT, read
from component.core.times import now
from component.core.xml import Element, Malformed, cut
from component.xmpp.gate import NS_FORWARD

log = logging.getLogger(__name__)


class ServiceLog:
    """Takes copies from the virtual hosts, and from nobody else."""

    def __init__(self, ingest: Ingest, hosts: Collection[str]) -> None:
        self._ingest = ingest
        self._hosts = frozenset(hosts)

    def take(self, outer: Element, raw: bytes) -> None:
        """Archive the message in a copy, if there is one."""
        host = outer.get("from")
        if host not in self._hosts:
            log.debug("dropped a forwarded stanza: it is not from a virtual host")
            return
        forwarded = outer.child(NS_FORWARD, "forwarded")
        message = forwarded and forwarded.child(NS_CLIENT, "message")
        if not message:
            return
        stanza = read(message, cut(raw, outer, message))
        # A host logs its own users only.
        if host not in (jids.domain(stanza.sender), jids.domain(stanza.recipient)):
            log.debug("dropped a copy from %s: none of its users is in it", host)
            return
        try:
            self._ingest.take(stanza, now())
        except Malformed as error:
            log.warning("left out a message: %s", error)
