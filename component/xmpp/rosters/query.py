"""RFC 6121 section 2 at the component's own address: users read their rosters here.

Users change their rosters at their own server.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from component.core.errors import Forbidden, NotAllowed
from component.core.rosters.contacts import version_of
from component.core.rosters.service import RosterService
from component.core.rosters.stanzas import NS as NS
from component.core.rosters.stanzas import roster_xml
from component.xmpp.queries.exchange import Exchange

QUERY = f"{{{NS}}}query"


class RosterQueries:
    """Answers roster queries."""

    def __init__(self, rosters: RosterService) -> None:
        self._rosters = rosters

    async def answer(self, type: str, query: Element, exchange: Exchange) -> str:
        """Return the roster, or an empty result if the requester has this version (section 2.6).

        Raises Refused.
        """
        if exchange.requester != exchange.owner:
            raise Forbidden("this roster is not yours to read")
        if type == "set":
            raise NotAllowed("rosters can only be read here: change yours at your own server")
        contacts = await self._rosters.read(exchange.owner)
        version = version_of(contacts)
        if query.get("ver") == version:
            return exchange.result("")
        return exchange.result(roster_xml(contacts, version))
