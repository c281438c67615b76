"""Rosters of users, read by privilege (XEP-0356 section 4); implements `core.ports.Rosters`.

A server tells the archive nothing when one changes, but mod_service_log copies the pushes that
the user's own clients get (RFC 6121 section 2.1.6).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from slixmpp.exceptions import IqError, IqTimeout

from component.core import jids, xml
from component.xmpp.addresses import Addresses
from component.xmpp.privilege import Privileges
from component.xmpp.stream import Stream

log = logging.getLogger(__name__)

NS = "jabber:iq:roster"

ANSWER_SECONDS = 10.0


class PrivilegedRosters:
    """Asks the virtual hosts for the rosters of their users."""

    def __init__(self, stream: Stream, privileges: Privileges, addresses: Addresses) -> None:
        self._stream = stream
        self._privileges = privileges
        self._addresses = addresses
        self._lost = asyncio.Event()
        stream.add_event_handler("session_start", lambda _: self._lost.clear())
        stream.add_event_handler("disconnected", lambda _: self._lost.set())

    def are_readable(self, host: str) -> bool:
        """Whether a virtual host lets the archive read the rosters of its users."""
        return self._privileges.reads_rosters(host)

    async def contacts(self, owner: str) -> frozenset[str] | None:
        """Return the bare JIDs on a user's roster, None where it cannot be read."""
        if not self.are_readable(jids.domain(owner)):
            return None
        iq = self._stream.make_iq_get(queryxmlns=NS, ito=owner, ifrom=self._stream.boundjid)
        answer = asyncio.ensure_future(iq.send(timeout=ANSWER_SECONDS))
        # Nothing is answered on a new connection that was asked on the last one.
        lost = asyncio.create_task(self._lost.wait())
        await asyncio.wait([answer, lost], return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
        if not answer.done():
            answer.cancel()
            return None
        try:
            found = answer.result().xml.iterfind(f"{{{NS}}}query/{{{NS}}}item")
        except (IqError, IqTimeout) as error:
            log.warning("the roster of %s was not given: %s", owner, error.condition)
            return None
        return frozenset(self._addresses.accept(item.get("jid", "")) for item in found)


class RosterPushes:
    """Hears of changed rosters from copies of what users' clients are told."""

    def __init__(self, changed: Callable[[str], None], addresses: Addresses) -> None:
        """`changed` hears whose roster there is a newer one of."""
        self._changed = changed
        self._addresses = addresses

    def take(self, host: str, iq: xml.Element) -> None:
        """Read one copied IQ. Only what comes from the user's own account is a push."""
        if iq.get("type") != "set" or iq.child(NS, "query") is None:
            return
        recipient = self._addresses.accept(iq.get("to"))
        sender = self._addresses.accept(iq.get("from"))
        owner = jids.bare(recipient)
        if sender in ("", owner) and jids.resource(recipient) and jids.domain(owner) == host:
            self._changed(owner)
