"""Queries on their way to the feature that answers them, direct or delegated alike.

Each is answered, whatever is in it (RFC 6120 section 8.2.3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from xml.etree.ElementTree import Element

from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.errors import BadRequest, TooLarge, UnknownService
from component.core.xml.jids import Jids
from component.xmpp.connection.admission import RESPONSES
from component.xmpp.connection.gate import NS_COMPONENT
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.archive_addresses import owner_at
from component.xmpp.queries.delegation import NAMESPACES, Delegation
from component.xmpp.queries.errors import refusal
from component.xmpp.queries.exchange import Direct, Exchange
from component.xmpp.queries.turns import Turns

#: Answers a query: takes get or set, its payload and the way back, returns the stanzas to send.
Answerer = Callable[[str, Element, Exchange], Awaitable[str]]

#: How many characters a query may have in its texts and attributes, and how many its id.
QUERY_MAX = 64 * 1024
ID_MAX = 1024

_DELEGATIONS = frozenset(f"{{{namespace}}}delegation" for namespace in NAMESPACES)


class QueryDispatcher:
    """Hands each query to the answerer of its payload, when it is the asker's turn."""

    def __init__(
        self,
        stream: Stream,
        delegation: Delegation,
        addresses: Jids,
        answerers: Mapping[str, Answerer],
        *,
        elsewhere: Iterable[str] = (),
    ) -> None:
        """`elsewhere` are the payloads that slixmpp answers where they are sent here by a get."""
        self._stream = stream
        self._delegation = delegation
        self._addresses = addresses
        self._answerers = answerers
        self._elsewhere = frozenset(elsewhere)
        self._turns = Turns()
        path = MatchXPath(f"{{{NS_COMPONENT}}}iq")
        stream.register_handler(CoroutineCallback("queries", path, self._take))

    @property
    def payloads(self) -> frozenset[str]:
        """Every payload that is answered by something else than that it is not known here."""
        return _DELEGATIONS | frozenset(self._answerers) | self._elsewhere

    async def _take(self, stanza: StanzaBase) -> None:
        iq, type = stanza.xml, stanza.xml.get("type", "")
        if type in RESPONSES:
            return
        direct = Direct(addressee=iq.get("to", ""), asker=iq.get("from", ""), id=iq.get("id", ""))
        exchange: Exchange = direct
        try:
            payload = _payload(iq)
            if payload.tag in self._elsewhere:
                if type != "get":
                    raise BadRequest("this is asked for by an IQ of type get")
                return
            if payload.tag in _DELEGATIONS:
                if type != "set":
                    raise BadRequest("queries are handed on by an IQ of type set")
                iq, exchange = self._delegation.unwrap(stanza)
                payload = _payload(iq)
            else:
                exchange = replace(direct, archive=owner_at(direct.addressee, self._addresses))
            answerer = self._answerers.get(payload.tag)
            if answerer is None:
                raise UnknownService
            async with self._turns.of(exchange.requester):
                text = await answerer(iq.get("type", ""), payload, exchange)
                # Part of the turn: who does not take his answers waits for them himself.
                await self._stream.send_text(text)
        except Exception as error:
            # At once, as whoever is refused because others wait shall not wait with them.
            self._stream.send_at_once(exchange.error(refusal(error)))


def _payload(iq: Element) -> Element:
    """Return what is asked. Raises BadRequest, TooLarge."""
    if iq.get("type") not in ("get", "set"):
        raise BadRequest("a query is an IQ of type get or set")
    if len(iq.get("id", "")) > ID_MAX:
        raise BadRequest(f"the id of a query has {ID_MAX} characters at most")
    if len(iq) != 1:
        raise BadRequest("a query has exactly one child")
    if sum(map(_size, iq.iter())) > QUERY_MAX:
        raise TooLarge(f"a query has {QUERY_MAX} characters at most")
    return iq[0]


def _size(element: Element) -> int:
    values = (element.tag, element.text or "", element.tail or "", *element.attrib.values())
    return sum(map(len, values))
