"""Rosters on the XMPP server, read and set by privilege (XEP-0356 section 4).

Implements `core.rosters.protocol.EditableRosters`. No server notifies a component of changed
rosters: `copies.roster_pushes` detects them.
"""

from __future__ import annotations

import logging
from typing import Literal
from xml.etree import ElementTree

from slixmpp.exceptions import IqError, IqTimeout

from component.core.errors import BadRequest, NotAllowed, Overloaded, Refused
from component.core.rosters import stanzas
from component.core.rosters.contacts import Change, is_asked
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.errors import condition_in
from component.xmpp.queries.privilege import Privileges
from storage.rows import Contact

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0


class PrivilegedRosters:
    """Reads and sets the rosters of users by IQs to their virtual hosts."""

    def __init__(
        self, stream: Stream, privileges: Privileges, *, timeout: float = ANSWER_SECONDS
    ) -> None:
        """`timeout` is the maximum number of seconds until the server answers."""
        self._timeout = timeout
        self._stream = stream
        self._privileges = privileges

    def are_readable(self, host: str) -> bool:
        """Return whether a virtual host grants the right to read the rosters of its users."""
        return self._privileges.reads_rosters(host)

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return the contacts of a user, None if they cannot be read."""
        if not self.are_readable(jids.domain(owner)):
            return None
        try:
            answer = await self._ask("get", owner, f"<query xmlns='{stanzas.NS}'/>")
        except IqError as error:
            condition = condition_in(error.iq.xml)
            log.warning("the server refuses the roster of %s: %s", owner, condition)
            return None
        except IqTimeout:
            log.warning("the server did not send the roster of %s in time", owner)
            return None
        return None if answer is None else tuple(stanzas.contacts_in(answer))

    async def change(self, owner: str, change: Change) -> None:
        """Add a contact or change it. Raises BadRequest, NotAllowed, Overloaded."""
        roster = await self._roster_to_change(owner)
        before = next(
            (contact for contact in roster if contact.jid == change.jid), Contact(jid=change.jid)
        )
        after = change.applied(before)
        # A subscription follows from the presence stanzas of both users (RFC 6121 section 3).
        if after.subscription != before.subscription or is_asked(after) != is_asked(before):
            raise NotAllowed("subscriptions are changed by the users, not on their rosters")
        await self._set(owner, stanzas.set_xml(after))

    async def remove(self, owner: str, jid: str) -> None:
        """Remove a contact if it is there. Raises NotAllowed, Overloaded."""
        await self._set(owner, stanzas.remove_xml(jid))

    async def clear(self, owner: str) -> None:
        """Remove all contacts. Raises NotAllowed, Overloaded."""
        for contact in await self._roster_to_change(owner):
            await self.remove(owner, contact.jid)

    async def _roster_to_change(self, owner: str) -> tuple[Contact, ...]:
        """Return a roster that may be set. Raises NotAllowed, Overloaded."""
        self._require_writing(owner)
        roster = await self.roster(owner)
        if roster is None:
            raise Overloaded(f"the roster of {owner} cannot be read at the moment")
        return roster

    async def _set(self, owner: str, query: str) -> None:
        self._require_writing(owner)
        try:
            answer = await self._ask("set", owner, query)
        except IqError as error:
            condition = condition_in(error.iq.xml)
            if condition != "item-not-found":
                log.warning("the server refuses to change the roster of %s: %s", owner, condition)
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

    async def _ask(self, type: Literal["get", "set"], owner: str, query: str) -> Element | None:
        """Return the answer, None if the connection is lost. Raises IqError, IqTimeout."""
        answer = await self._stream.ask(type, owner, query, patience=self._timeout)
        return None if answer is None else parse(ElementTree.tostring(answer))


def _refused(condition: str) -> Refused:
    """Return our refusal of a change that the server refused with a condition."""
    if condition == "internal-server-error":
        return NotAllowed(
            "the server does not let components change rosters: ejabberd does from 23.10 on"
        )
    if condition in ("bad-request", "not-acceptable", "jid-malformed"):
        return BadRequest(f"the server refuses this contact: {condition}")
    return NotAllowed(f"the server refuses this change: {condition}")
