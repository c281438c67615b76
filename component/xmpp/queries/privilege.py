"""XEP-0356: Privileged Entity, version 0.4.1. What each virtual host lets us do.

ejabberd 23.01 speaks urn:xmpp:privilege:1, from 24.10 on :2; what we were offered is what we use.
Only :2 has IQs by privilege (section 6).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from xml.etree.ElementTree import Element

from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.hosts import Hosts
from component.xmpp.connection.stream import Stream

log = logging.getLogger(__name__)

#: The version that has IQs by privilege.
NS_PRIVILEGE_IQ = "urn:xmpp:privilege:2"
NAMESPACES = (NS_PRIVILEGE_IQ, "urn:xmpp:privilege:1")

#: What lets us do what we do: what it is for, and which of it (sections 4.1 and 5.1).
_SENDING, _READING, _WRITING = ("message", "outgoing"), ("roster", "get"), ("roster", "set")

#: What is granted in one word.
_BOTH = {("roster", "both"): (_READING, _WRITING)}

#: The types of a permission that let us send IQs of type get (section 6.1).
_GETTING = frozenset({"get", "both"})


class Privileges:
    """What the virtual hosts grant, as long as the stream lasts."""

    def __init__(
        self,
        stream: Stream,
        hosts: Hosts,
        *,
        on_reading: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_reading` hears of each host that lets rosters be read."""
        self._hosts = hosts
        self._on_reading = on_reading
        #: the namespace of each grant, by host and what is granted
        self._granted: dict[tuple[str, tuple[str, str]], str] = {}
        #: the namespaces whose IQs of type get we may send as a host, by host
        self._gettable: dict[str, frozenset[str]] = {}
        for namespace in NAMESPACES:
            stream.on_message(namespace, "privilege", self._heard)
        stream.add_event_handler("disconnected", self._forget)

    def message_namespace(self, host: str) -> str | None:
        """Return the namespace in which we may send messages as users of a host, if we may."""
        namespace = self._granted.get((host, _SENDING))
        if namespace is None:
            log.error("%s does not let us send messages: mod_privilege must grant it", host)
        return namespace

    def reads_rosters(self, host: str) -> bool:
        """Whether we may read the rosters of the users of a host."""
        return (host, _READING) in self._granted

    def writes_rosters(self, host: str) -> bool:
        """Whether we may change the rosters of the users of a host."""
        return (host, _WRITING) in self._granted

    @property
    def has_iqs(self) -> bool:
        """Whether the server can grant IQs by privilege, which ejabberd can from 24.10 on."""
        return NS_PRIVILEGE_IQ in self._granted.values()

    def host_getting(self, ns: str) -> str | None:
        """Return a virtual host as which we may send an IQ of type get with that payload."""
        return next((host for host, known in self._gettable.items() if ns in known), None)

    def _forget(self, _: object) -> None:
        self._granted.clear()
        self._gettable.clear()

    def _heard(self, message: StanzaBase) -> None:
        host = message.xml.get("from", "")
        if host not in self._hosts:
            log.warning("dropped privileges from somebody who is not a virtual host")
            return
        for namespace in NAMESPACES:
            for perm in message.xml.iterfind(f"{{{namespace}}}privilege/{{{namespace}}}perm"):
                self._take(host, namespace, perm)
        if self.reads_rosters(host):
            self._on_reading(host)

    def _take(self, host: str, namespace: str, perm: Element) -> None:
        if perm.get("access") == "iq":
            granted = perm.iterfind(f"{{{namespace}}}namespace")
            self._gettable[host] = frozenset(
                payload.get("ns", "") for payload in granted if payload.get("type") in _GETTING
            )
            return
        given = perm.get("access", ""), perm.get("type", "")
        allowed = _BOTH.get(given, (given,))
        for one in (_SENDING, _READING, _WRITING):
            key = host, one
            if one in allowed:
                self._granted[key] = namespace
            elif one[0] == given[0] and self._granted.get(key) == namespace:
                del self._granted[key]
