"""XEP-0356: Privileged Entity, version 0.4.1. What each virtual host lets us do.

ejabberd 23.01 speaks urn:xmpp:privilege:1, from 24.10 on :2; what we were offered is what we use.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.xmpp.gate import NS_COMPONENT
from component.xmpp.stream import Stream

log = logging.getLogger(__name__)

NAMESPACES = ("urn:xmpp:privilege:2", "urn:xmpp:privilege:1")


class Privileges:
    """What the virtual hosts grant, as long as the stream lasts."""

    def __init__(self, stream: Stream, hosts: Collection[str]) -> None:
        self._hosts = frozenset(hosts)
        self._sending: dict[str, str] = {}
        for namespace in NAMESPACES:
            path = f"{{{NS_COMPONENT}}}message/{{{namespace}}}privilege"
            stream.register_handler(Callback(namespace, MatchXPath(path), self._granted))
        stream.add_event_handler("disconnected", lambda _: self._sending.clear())

    def sending(self, host: str) -> str | None:
        """Return the namespace in which we may send messages as users of a host, if we may."""
        namespace = self._sending.get(host)
        if namespace is None:
            log.error("%s does not let us send messages: mod_privilege must grant it", host)
        return namespace

    def _granted(self, message: StanzaBase) -> None:
        host = str(message["from"])
        if host not in self._hosts:
            log.warning("dropped privileges from somebody who is not a virtual host")
            return
        for namespace in NAMESPACES:
            for perm in message.xml.iterfind(f"{{{namespace}}}privilege/{{{namespace}}}perm"):
                if perm.get("access") != "message":
                    continue
                if perm.get("type") == "outgoing":
                    self._sending[host] = namespace
                elif self._sending.get(host) == namespace:
                    del self._sending[host]
