"""Dispatches queries to the features that answer them, direct and delegated ones alike.

Every query is answered, whatever it contains (RFC 6120 section 8.2.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from xml.etree.ElementTree import Element

from component.core.errors import REFUSAL_SECONDS, BadRequest, TooLarge, TooMany, UnknownService
from component.core.turns import TurnLimits, Turns
from component.core.xml.jids import Jids
from component.xmpp.connection.admission import RESPONSES
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.archive_addresses import owner_at
from component.xmpp.queries.delegation import DELEGATIONS, Delegation
from component.xmpp.queries.errors import refusal
from component.xmpp.queries.exchange import Direct, Exchange

#: Answers a query: receives its type (get or set), its payload and its exchange, and returns the
#: stanzas to send. Raises Refused.
Answerer = Callable[[str, Element, Exchange], Awaitable[str]]

#: Characters that a query may have in its texts and attributes, and in its id.
QUERY_MAX = 64 * 1024
ID_MAX = 1024

#: ejabberd gives up on a query after 32 seconds.
LIMITS = TurnLimits(at_once=32, pending_each=32, pending=512, wait_seconds=15.0)

#: The number of queries of accounts with too many that wait for their refusal; others are refused
#: at once.
REFUSED_MAX = 1000


class QueryDispatcher:
    """Passes each query to the answerer of its payload, when it is the asker's turn."""

    def __init__(
        self,
        stream: Stream,
        delegation: Delegation,
        addresses: Jids,
        answerers: Mapping[str, Answerer],
        *,
        own: Mapping[str, Answerer] | None = None,
        elsewhere: Iterable[str] = (),
    ) -> None:
        """`own` answer queries to the component itself, at any resource of it.

        `elsewhere` are the payloads of gets that plugins of slixmpp answer.
        """
        self._stream = stream
        self._delegation = delegation
        self._addresses = addresses
        self._own = own or {}
        self._answerers = {**answerers, **self._own}
        self._elsewhere = frozenset(elsewhere)
        self.turns = Turns(LIMITS)
        self._refused = 0  # queries whose refusal is not sent yet
        self._answering: set[asyncio.Task[None]] = set()
        stream.on_iq(self._take)

    @property
    def payloads(self) -> frozenset[str]:
        """The payloads that are not refused as unknown."""
        return DELEGATIONS | frozenset(self._answerers) | self._elsewhere

    def _take(self, iq: Element) -> bool:
        """Answer a query in a task of its own; return False if slixmpp has to take the IQ."""
        type = iq.get("type")
        if type in RESPONSES:
            return False
        if type == "get" and [child.tag in self._elsewhere for child in iq] == [True]:
            return False
        task = asyncio.get_running_loop().create_task(self._handle(iq))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return True

    async def _handle(self, iq: Element) -> None:
        direct = Direct(addressee=iq.get("to", ""), asker=iq.get("from", ""), id=iq.get("id", ""))
        exchange: Exchange = direct
        is_answered = False
        try:
            payload = _payload(iq)
            if payload.tag in self._elsewhere:
                raise BadRequest("this is asked for by an IQ of type get")
            if payload.tag in DELEGATIONS:
                if iq.get("type") != "set":
                    raise BadRequest("queries are delegated by an IQ of type set")
                iq, exchange = self._delegation.unwrap(iq)
                payload = _payload(iq)
            elif payload.tag not in self._own:
                exchange = replace(direct, archive=owner_at(direct.addressee, self._addresses))
            answerer = self._answerers.get(payload.tag)
            if answerer is None:
                raise UnknownService
            async with self.turns.of(exchange.requester):
                text = await answerer(iq.get("type", ""), payload, exchange)
                # Part of the turn: a slow reader of answers delays nobody else.
                await self._stream.send_text(text)
                is_answered = True
                if self.turns.is_crowded(exchange.requester):
                    # What the server has not carried yet delays the answers to others.
                    await self._stream.wait_carried()
        except Exception as error:
            # All pending queries may be refused while the answer is carried.
            if not is_answered:
                await self._refuse(error, exchange)

    async def _refuse(self, error: Exception, exchange: Exchange) -> None:
        """Refuse a query: at once, because it must not wait if it is refused as others wait.

        If its account has too many queries, it is refused after REFUSAL_SECONDS.
        """
        if isinstance(error, TooMany) and self._refused < REFUSED_MAX:
            self._refused += 1
            try:
                await asyncio.sleep(REFUSAL_SECONDS)
            finally:
                self._refused -= 1
        self._stream.send_at_once(exchange.error(refusal(error, exchange.id, exchange.asker)))


def _payload(iq: Element) -> Element:
    """Return the payload of a query. Raises BadRequest, TooLarge."""
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
    """Return the characters of an element without its children."""
    values = (element.tag, element.text or "", element.tail or "", *element.attrib.values())
    return sum(map(len, values))
