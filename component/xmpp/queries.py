"""Queries on their way to the feature that answers them, direct or delegated alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from xml.etree.ElementTree import Element

from slixmpp.xmlstream.handler import CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from component.core.errors import Forbidden, ItemNotFound, NotImplementedHere
from component.core.ports import Jids
from component.xmpp.archive_addresses import owner_at
from component.xmpp.delegation import NAMESPACES, Delegation
from component.xmpp.errors import refusal
from component.xmpp.exchange import Direct, Exchange
from component.xmpp.gate import NS_COMPONENT
from component.xmpp.stream import Stream

#: Answers a query: takes get or set, its payload and the way back, returns the stanzas to send.
Answerer = Callable[[str, Element, Exchange], Awaitable[str]]


class Queries:
    """Hands each query to the answerer of its payload."""

    def __init__(
        self,
        stream: Stream,
        delegation: Delegation,
        addresses: Jids,
        answerers: Mapping[str, Answerer],
    ) -> None:
        self._stream = stream
        self._delegation = delegation
        self._addresses = addresses
        self._answerers = answerers
        for namespace in NAMESPACES:
            self._on(f"{{{namespace}}}delegation", self._handed_on)
        for payload in answerers:
            self._on(payload, self._sent_here)

    def _on(self, payload: str, handler: Callable[[StanzaBase], Awaitable[None]]) -> None:
        path = MatchXPath(f"{{{NS_COMPONENT}}}iq/{payload}")
        self._stream.register_handler(CoroutineCallback(payload, path, handler))

    async def _sent_here(self, iq: StanzaBase) -> None:
        if iq["type"] not in ("get", "set"):
            return
        exchange = _direct(iq)
        try:
            archive = owner_at(exchange.addressee, self._addresses)
        except ItemNotFound as refused:
            await self._stream.send_text(exchange.error(refused))
        else:
            await self._answer(iq.xml, replace(exchange, archive=archive))

    async def _handed_on(self, iq: StanzaBase) -> None:
        if iq["type"] != "set":
            return
        unwrapped = self._delegation.unwrap(iq)
        if unwrapped is None:
            refused = Forbidden("only the virtual hosts of this archive hand queries to it")
            await self._stream.send_text(_direct(iq).error(refused))
        else:
            await self._answer(*unwrapped)

    async def _answer(self, iq: Element, exchange: Exchange) -> None:
        payload = next(iter(iq), None)
        answerer = None if payload is None else self._answerers.get(payload.tag)
        try:
            if payload is None or answerer is None:
                raise NotImplementedHere
            text = await answerer(iq.get("type", ""), payload, exchange)
        except Exception as error:
            text = exchange.error(refusal(error))
        await self._stream.send_text(text)


def _direct(iq: StanzaBase) -> Direct:
    return Direct(addressee=str(iq["to"]), asker=str(iq["from"]), id=iq["id"])
