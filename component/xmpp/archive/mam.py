"""XEP-0313: Message Archive Management, version 1.1.3.

Reads queries and writes results; `component.core.reading.reader` decides who reads what.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from xml.etree.ElementTree import Element

from component.core.access.principals import User
from component.core.errors import BadRequest, NotImplementedHere, Overloaded
from component.core.reading.pages import PageQuery
from component.core.reading.reader import ArchiveReader
from component.core.xml.jids import Jids
from component.xmpp.archive import mam_form, rsm
from component.xmpp.archive.mam_form import NS_MAM
from component.xmpp.archive.mam_results import fin_xml, metadata_xml, results_xml
from component.xmpp.queries import forms
from component.xmpp.queries.exchange import Exchange

NS = NS_MAM

QUERY = f"{{{NS}}}query"
METADATA = f"{{{NS}}}metadata"

#: What every archive can do, whichever way it is asked.
FEATURES = (
    NS,
    f"{NS}#extended",
    f"{NS}#groupchat-field",
    rsm.NS,
    mam_form.NS_FULLTEXT,
    # Retractions are archived, and what they retract is replaced (XEP-0424).
    "urn:xmpp:message-retract:1",
    "urn:xmpp:message-retract:1#tombstone",
)

#: Where messages of rooms are archived, too (section 7).
GROUPCHAT = f"{NS}#groupchat-available"

#: How long an archive is read. ejabberd gives a query up after 32 seconds, of which it may have
#: waited half for its turn: what is sent later is an answer to nothing.
PATIENCE_SECONDS = 15.0

#: It is told again with each result.
QUERYID_MAX = 256


class Mam:
    """Answers archive queries."""

    def __init__(self, reader: ArchiveReader, addresses: Jids) -> None:
        self._reader = reader
        self._addresses = addresses

    async def answer(self, type: str, element: Element, exchange: Exchange) -> str:
        """Return the stanzas that answer a query: its results, then its end. Raises Refused."""
        if type == "get":
            return exchange.result(mam_form.form_xml())
        query = replace(parse(element, self._addresses), counted=True)
        async with _in_time():
            page = await self._reader.page(User(exchange.requester), exchange.owner, query)
        is_flipped = element.find(f"{{{NS}}}flip-page") is not None
        messages = reversed(page.messages) if is_flipped else page.messages
        results = exchange.messages(results_xml(messages, element.get("queryid")))
        return results + exchange.result(fin_xml(page, backwards=query.backwards))

    async def metadata(self, type: str, query: Element, exchange: Exchange) -> str:
        """Return the text that tells where an archive begins and ends. Raises Refused."""
        if type != "get":
            raise BadRequest("metadata can be read only: ask with get")
        async with _in_time():
            bounds = await self._reader.bounds(User(exchange.requester), exchange.owner)
        return exchange.result(metadata_xml(bounds))


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Read for as long as somebody waits. Raises Overloaded when it would be too late."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield
    except TimeoutError as error:
        raise Overloaded from error


def parse(query: Element, addresses: Jids) -> PageQuery:
    """Read a query. Raises BadRequest, NotImplementedHere."""
    if query.get("node") is not None:
        raise NotImplementedHere("there are no archives of nodes here")
    if len(query.get("queryid", "")) > QUERYID_MAX:
        raise BadRequest(f"queryid has {QUERYID_MAX} characters at most")
    wanted = mam_form.read(query.find(forms.FORM), addresses)
    return rsm.read(query.find(rsm.SET), wanted)
