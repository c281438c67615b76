"""Observations of ejabberd: its delegations, its copies, and grants of unknown hosts.

After a component has connected, a server notifies it of delegations (XEP-0355 section 4.2) and
permissions (XEP-0356 section 4.1). It does not mention permissions that it withholds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from xml.etree.ElementTree import Element

from slixmpp.plugins.xep_0030 import DiscoInfo
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.hosts import Hosts
from component.xmpp.archive import mam
from component.xmpp.connection.stream import Stream
from component.xmpp.queries import delegation, privilege
from component.xmpp.queries.disco import DELEGATED

_QUERY = f"{{{DiscoInfo.namespace}}}query"

#: The maximum number of remembered unknown hosts.
UNKNOWN_MAX = 20


class Observations:
    """Notes the behaviour of the virtual hosts on the present connection."""

    def __init__(
        self, stream: Stream, hosts: Hosts, *, copy_seconds: float, queries: Stream | None = None
    ) -> None:
        """`copy_seconds` is the maximum time from a query to its copy.

        `queries` is the stream that gets the delegated queries, None: the same one.
        """
        queries = queries or stream
        self._hosts = hosts
        self._copy_seconds = copy_seconds
        self._delegating: set[str] = set()
        #: by virtual host: its questions for the features of a half of the delegation, and its
        #: notifications
        self._asked: Counter[str] = Counter()
        self._notified: Counter[str] = Counter()
        self._copying: set[str] = set()
        self._silent: set[str] = set()
        self._unknown: dict[str, None] = {}
        #: of the virtual hosts whose query came before any copy
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._on_silent: Callable[[], None] = lambda: None
        #: set when a host has granted something
        self.changed = asyncio.Event()
        #: set when a host has delegated something
        self.delegated = asyncio.Event()
        for namespace in delegation.NAMESPACES:
            queries.on_message(namespace, "delegation", self._take_delegation)
        queries.on_iq(self._take_query)
        queries.on_iq(self._take_discovery)
        for namespace in privilege.NAMESPACES:
            stream.on_message(namespace, "privilege", self._take_privilege)
        queries.add_event_handler("disconnected", self._forget_delegations)
        stream.add_event_handler("disconnected", self._forget)

    def on_silent(self, call: Callable[[], None]) -> None:
        """Call a function when a host does not copy a stanza that a user has sent."""
        self._on_silent = call

    @property
    def unknown_hosts(self) -> tuple[str, ...]:
        """The hosts that grant something and are not configured."""
        return tuple(self._unknown)

    def delegates(self, host: str) -> bool:
        """Return whether a host delegates archive queries, of all addresses for which it asked.

        ejabberd asks for the features of each half, and notifies of the half after the answer.
        Between the two notifications it still refuses the queries of users.
        """
        return host in self._delegating

    def copies(self, host: str) -> bool | None:
        """Return whether a host copies stanzas of its users, None if there was none to copy."""
        if host in self._copying:
            return True
        return False if host in self._silent else None

    def note_copy(self, host: str) -> None:
        """Note that a virtual host has copied a stanza to us."""
        self._copying.add(host)

    def note_silent(self, host: str) -> None:
        """Note that a virtual host did not copy a stanza that it had to copy."""
        self._silent.add(host)

    def forget_copies(self, host: str) -> None:
        """Forget the copies of a host, before it is tested."""
        self._copying.discard(host)
        self._silent.discard(host)

    def _take_delegation(self, message: StanzaBase) -> None:
        host = message.xml.get("from", "")
        if not self._is_known(host):
            return
        for namespace in delegation.NAMESPACES:
            path = f"{{{namespace}}}delegation/{{{namespace}}}delegated"
            for delegated in message.xml.iterfind(path):
                if delegated.get("namespace") == mam.NS:
                    self._notified[host] += 1
        self.changed.set()
        if self._notified[host] and self._notified[host] >= self._asked[host]:
            self._delegating.add(host)
            self.delegated.set()

    def _take_discovery(self, iq: Element) -> bool:
        """Count the question for the features of a half, which another part answers."""
        host, query = iq.get("from", ""), iq.find(_QUERY)
        if host in self._hosts and query is not None and query.get("node") in DELEGATED:
            self._asked[host] += 1
        return False

    def _take_privilege(self, message: StanzaBase) -> None:
        if self._is_known(message.xml.get("from", "")):
            self.changed.set()

    def _is_known(self, host: str) -> bool:
        if host in self._hosts:
            return True
        if len(self._unknown) < UNKNOWN_MAX:
            self._unknown[host] = None
        return False

    def _take_query(self, iq: Element) -> bool:
        """Expect the copy of a delegated query: mod_service_log copies IQs of users too."""
        host = iq.get("from", "")
        if host not in self._hosts or host in self._copying or host in self._timers:
            return False
        if delegation.is_delegated(iq):
            loop = asyncio.get_running_loop()
            self._timers[host] = loop.call_later(self._copy_seconds, self._expect_copy, host)
        return False

    def _expect_copy(self, host: str) -> None:
        del self._timers[host]
        if host not in self._copying and host not in self._silent:
            self._silent.add(host)
            self._on_silent()

    def _forget_delegations(self, _: object) -> None:
        for state in (self._delegating, self._asked, self._notified):
            state.clear()

    def _forget(self, _: object) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for state in (self._copying, self._silent, self._unknown):
            state.clear()
        self.changed.clear()
