"""Rosters of users, read and set by privilege (XEP-0356 section 4).

Implements `EditableRosters`. A server tells a component nothing when one changes, but
mod_service_log copies the pushes that the user's own clients get (RFC 6121 section 2.1.6).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from component.core.errors import BadRequest, NotAllowed, Overloaded, Refused
from component.core.rosters.contacts import Change, is_asked
from component.core.rosters.xml import NS
from component.core.xml import jids, stream_parser
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.errors import condition_in
from component.xmpp.queries.privilege import Privileges
from component.xmpp.rosters import stanzas
from storage.people import Contact

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0


class PrivilegedRosters:
    """Asks the virtual hosts for the rosters of their users, and to change them."""

    def __init__(self, stream: Stream, privileges: Privileges, addresses: Addresses) -> None:
        self._stream = stream
        self._privileges = privileges
        self._addresses = addresses

    def are_readable(self, host: str) -> bool:
        """Whether a virtual host lets the archive read the rosters of its users."""
        return self._privileges.reads_rosters(host)

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return what is on a user's roster, None where it cannot be read."""
        if not self.are_readable(jids.domain(owner)):
            return None
        try:
            answer = await self._ask("get", owner, Element(stanzas.QUERY))
        except IqError as error:
            condition = condition_in(error.iq.xml)
            log.warning("the roster of %s was not given: %s", owner, condition)
            return None
        except IqTimeout:
            log.warning("the roster of %s was not given in time", owner)
            return None
        return None if answer is None else tuple(stanzas.contacts_in(answer, self._addresses))

    async def change(self, owner: str, change: Change) -> None:
        """Have the server add or change a contact. Raises BadRequest, NotAllowed, Overloaded."""
        roster = await self._known(owner)
        before = next((one for one in roster if one.jid == change.jid), Contact(jid=change.jid))
        after = change.applied(before)
        # Both sides have to agree to those, which they do by presence (RFC 6121 section 3).
        if after.subscription != before.subscription or is_asked(after) != is_asked(before):
            raise NotAllowed("subscriptions are changed by the users, not on their rosters")
        await self._set(owner, stanzas.setting(after))

    async def remove(self, owner: str, jid: str) -> None:
        """Have the server take a contact off, if it is there. Raises NotAllowed, Overloaded."""
        await self._set(owner, stanzas.removing(jid))

    async def clear(self, owner: str) -> None:
        """Have the server take off all contacts. Raises NotAllowed, Overloaded."""
        for contact in await self._known(owner):
            await self.remove(owner, contact.jid)

    async def _known(self, owner: str) -> tuple[Contact, ...]:
        """Return a roster that is to be changed. Raises NotAllowed, Overloaded."""
        self._require_writing(owner)
        roster = await self.roster(owner)
        if roster is None:
            raise Overloaded(f"the roster of {owner} cannot be read at the moment")
        return roster

    async def _set(self, owner: str, query: Element) -> None:
        self._require_writing(owner)
        try:
            answer = await self._ask("set", owner, query)
        except IqError as error:
            condition = condition_in(error.iq.xml)
            if condition != "item-not-found":
                log.warning("the roster of %s was not changed: %s", owner, condition)
                raise _refused(condition) from error
        except IqTimeout as error:
            raise Overloaded from error
        else:
            if answer is None:
                raise Overloaded

    def _require_writing(self, owner: str) -> None:
        host = jids.domain(owner)
        if not self._stream.is_up:
            raise Overloaded
        if not self._privileges.writes_rosters(host):
            raise NotAllowed(f"{host} does not let rosters be changed: mod_privilege can grant it")

    async def _ask(
        self, type: Literal["get", "set"], owner: str, query: Element
    ) -> Element | None:
        """Return the answer, None where the connection was lost. Raises IqError, IqTimeout."""
        iq = self._stream.make_iq(itype=type, ifrom=self._stream.boundjid)
        # Byte for byte: slixmpp could make another user of it.
        iq.xml.set("to", owner)
        iq.append(query)
        answer = await self._stream.ask(iq, patience=ANSWER_SECONDS)
        return None if answer is None else answer.xml


def _refused(condition: str) -> Refused:
    """Return what a server has against a change."""
    if condition == "internal-server-error":
        return NotAllowed(
            "the server cannot let others change rosters: ejabberd can from 23.10 on"
        )
    if condition in ("bad-request", "not-acceptable", "jid-malformed"):
        return BadRequest(f"the server refuses this contact: {condition}")
    return NotAllowed(f"the server refuses this change: {condition}")


class RosterPushes:
    """Hears of changed rosters from copies of what users' clients are told."""

    def __init__(self, changed: Callable[[str], None], addresses: Addresses) -> None:
        """`changed` hears whose roster there is a newer one of."""
        self._changed = changed
        self._addresses = addresses

    def take(self, host: str, iq: stream_parser.Element) -> None:
        """Read one copied IQ. Only what comes from the user's own account is a push."""
        if iq.get("type") != "set" or iq.child(NS, "query") is None:
            return
        recipient = self._addresses.accept(iq.get("to"))
        sender = self._addresses.accept(iq.get("from"))
        owner = jids.bare(recipient)
        if sender in ("", owner) and jids.resource(recipient) and jids.domain(owner) == host:
            self._changed(owner)
