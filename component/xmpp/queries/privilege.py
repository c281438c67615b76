"""XEP-0356: Privileged Entity, version 0.4.1. The permissions that each virtual host grants.

ejabberd 23.01 speaks urn:xmpp:privilege:1, from 24.10 on :2. We use the one that it offers.
Only :2 has IQs by privilege (section 6).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal
from xml.etree.ElementTree import Element

from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.hosts import Hosts
from component.xmpp.connection.stream import Stream

log = logging.getLogger(__name__)

#: The version that has IQs by privilege.
NS_PRIVILEGE_IQ = "urn:xmpp:privilege:2"
NAMESPACES = (NS_PRIVILEGE_IQ, "urn:xmpp:privilege:1")

IqType = Literal["get", "set"]

#: A permission to send IQs: the namespace of their payload, and their type (section 6.1).
IqPermission = tuple[str, IqType]

#: A permission: its access and its type (sections 4.1 and 5.1).
_Permission = tuple[str, str]

_SENDING: _Permission = ("message", "outgoing")
_READING: _Permission = ("roster", "get")
_WRITING: _Permission = ("roster", "set")

#: A <perm/> that grants several.
_BOTH: dict[_Permission, tuple[_Permission, ...]] = {("roster", "both"): (_READING, _WRITING)}

#: The types of IQs that a permission of each type lets us send (section 6.1).
_IQ_TYPES: dict[str, tuple[IqType, ...]] = {
    "get": ("get",),
    "set": ("set",),
    "both": ("get", "set"),
}


class Privileges:
    """Knows the permissions that the virtual hosts grant, as long as the stream lasts."""

    def __init__(
        self,
        stream: Stream,
        hosts: Hosts,
    ) -> None:
        self._hosts = hosts
        self._on_reading: Callable[[str], None] | None = None
        #: the namespace in which each permission is granted, by host and permission
        self._granted: dict[tuple[str, _Permission], str] = {}
        self._iqs: dict[str, frozenset[IqPermission]] = {}  # by host
        self._speaking: set[str] = set()  #: the hosts that have said what they grant
        self._versions: set[str] = set()  #: the namespaces in which they did
        for namespace in NAMESPACES:
            stream.on_message(namespace, "privilege", self._take)
        stream.add_event_handler("disconnected", self._forget)

    def on_reading(self, call: Callable[[str], None]) -> None:
        """Call a function with each host that lets us read rosters."""
        self._on_reading = call

    def message_namespace(self, host: str) -> str | None:
        """Return the namespace in which we may send messages as users of a host.

        Return None and log an error if we may not.
        """
        namespace = self._granted.get((host, _SENDING))
        if namespace is None:
            log.error("%s does not let us send messages: mod_privilege must grant it", host)
        return namespace

    def sends_messages(self, host: str) -> bool:
        """Whether we may send messages as the users of a host."""
        return (host, _SENDING) in self._granted

    def reads_rosters(self, host: str) -> bool:
        """Whether we may read the rosters of the users of a host."""
        return (host, _READING) in self._granted

    def writes_rosters(self, host: str) -> bool:
        """Whether we may change the rosters of the users of a host."""
        return (host, _WRITING) in self._granted

    @property
    def has_iqs(self) -> bool:
        """Whether the server can grant IQs by privilege, which ejabberd can from 24.10 on."""
        return NS_PRIVILEGE_IQ in self._versions

    def is_said(self, host: str) -> bool:
        """Whether a host has said which permissions it grants, which may be none."""
        return host in self._speaking

    def iqs(self, host: str) -> frozenset[IqPermission]:
        """Return the IQs that we may send as a host and as its users (section 6)."""
        return self._iqs.get(host, frozenset())

    def host_getting(self, ns: str, *, except_host: str = "") -> str | None:
        """Return a virtual host as which we may send an IQ of type get with that payload."""
        granting = (host for host in self._hosts if (ns, "get") in self.iqs(host))
        return next((host for host in granting if host != except_host), None)

    def _forget(self, _: object) -> None:
        self._granted.clear()
        self._iqs.clear()
        self._speaking.clear()
        self._versions.clear()

    def _take(self, message: StanzaBase) -> None:
        host = message.xml.get("from", "")
        if host not in self._hosts:
            log.warning("dropped privileges from %r: it is not a virtual host", host[:100])
            return
        self._speaking.add(host)
        for namespace in NAMESPACES:
            if message.xml.find(f"{{{namespace}}}privilege") is not None:
                self._versions.add(namespace)
            for perm in message.xml.iterfind(f"{{{namespace}}}privilege/{{{namespace}}}perm"):
                self._note(host, namespace, perm)
        if self._on_reading is not None and self.reads_rosters(host):
            self._on_reading(host)

    def _note(self, host: str, namespace: str, perm: Element) -> None:
        """Note the permissions that one <perm/> grants; it revokes the others of its kind."""
        access = perm.get("access", "")
        if access == "iq":
            self._iqs[host] = frozenset(
                (payload.get("ns", ""), type)
                for payload in perm.iterfind(f"{{{namespace}}}namespace")
                for type in _IQ_TYPES.get(payload.get("type", ""), ())
            )
            return
        permission = access, perm.get("type", "")
        granted = _BOTH.get(permission, (permission,))
        for needed in (_SENDING, _READING, _WRITING):
            key = host, needed
            if needed in granted:
                self._granted[key] = namespace
            elif needed[0] == access and self._granted.get(key) == namespace:
                del self._granted[key]
