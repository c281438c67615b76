"""RFC 6121 section 2 at the component's own address: the roster of whoever asks.

A roster is changed where it lives, which the clients of its owner know how to do.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from component.core.errors import Forbidden, NotAllowed
from component.core.rosters.contacts import version_of
from component.core.rosters.service import RosterService
from component.core.rosters.xml import roster_xml
from component.xmpp.queries.exchange import Exchange


class RosterQueries:
    """Answers queries for rosters."""

    def __init__(self, lists: RosterService) -> None:
        self._lists = lists

    async def answer(self, type: str, query: Element, exchange: Exchange) -> str:
        """Return the text that tells a roster, unless it is the one the asker has.

        Raises Refused.
        """
        if exchange.requester != exchange.owner:
            raise Forbidden("this roster is not yours to read")
        if type == "set":
            raise NotAllowed("rosters are only shown here: change yours at your own server")
        contacts = await self._lists.read(exchange.owner)
        version = version_of(contacts)
        if query.get("ver") == version:
            return exchange.result("")
        return exchange.result(roster_xml(contacts, version))
