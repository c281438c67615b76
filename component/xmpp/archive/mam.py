"""XEP-0313: Message Archive Management, version 1.1.3.

Reads queries and writes results; `component.core.reading.reader` checks access.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from xml.etree.ElementTree import Element, SubElement

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

#: The features of every archive.
FEATURES = (
    NS,
    f"{NS}#extended",
    f"{NS}#groupchat-field",
    rsm.NS,
    mam_form.NS_FULLTEXT,
    # Retractions are archived, and the retracted messages become tombstones (XEP-0424).
    "urn:xmpp:message-retract:1",
    "urn:xmpp:message-retract:1#tombstone",
)

#: The feature of archives of users that have messages of rooms too (section 7).
GROUPCHAT = f"{NS}#groupchat-available"

#: Seconds that a query may read an archive. ejabberd drops a query after 32 seconds, and the query
#: may have waited half of them for its turn. ejabberd would drop a later answer.
READ_SECONDS = 15.0

#: The maximum length of a query id, in characters; each result repeats it.
QUERYID_MAX = 256


class Mam:
    """Answers archive queries."""

    def __init__(
        self, reader: ArchiveReader, addresses: Jids, *, timeout: float = READ_SECONDS
    ) -> None:
        """`timeout` is the maximum number of seconds that a query may read an archive."""
        self._timeout = timeout
        self._reader = reader
        self._addresses = addresses

    async def answer(self, type: str, element: Element, exchange: Exchange) -> str:
        """Return the stanzas that answer a query: its results, then its end. Raises Refused."""
        if type == "get":
            return exchange.result(mam_form.form_xml())
        query = replace(parse(element, self._addresses), counted=True)
        async with _within(self._timeout):
            page = await self._reader.page(User(exchange.requester), exchange.owner, query)
        is_flipped = element.find(f"{{{NS}}}flip-page") is not None
        messages = reversed(page.messages) if is_flipped else page.messages
        results = exchange.messages(results_xml(messages, element.get("queryid")))
        return results + exchange.result(fin_xml(page, backwards=query.backwards))

    async def metadata(self, type: str, query: Element, exchange: Exchange) -> str:
        """Return the stanza with the first and last message of an archive. Raises Refused."""
        if type != "get":
            raise BadRequest("metadata can be read only: ask with get")
        async with _within(self._timeout):
            bounds = await self._reader.bounds(User(exchange.requester), exchange.owner)
        return exchange.result(metadata_xml(bounds))


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Bound the time of a read. Raises Overloaded when an answer would be too late."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Overloaded from error


def parse(query: Element, addresses: Jids) -> PageQuery:
    """Read a query. Raises BadRequest, NotImplementedHere."""
    if query.get("node") is not None:
        raise NotImplementedHere("there are no archives of nodes here")
    if len(query.get("queryid", "")) > QUERYID_MAX:
        raise BadRequest(f"queryid has {QUERYID_MAX} characters at most")
    filter = mam_form.read(query.find(forms.FORM), addresses)
    return rsm.read(_set_in(query), filter)


def _set_in(query: Element) -> Element | None:
    """Return the <set/> of a query, None if it has none."""
    page, after = query.find(rsm.SET), query.findtext(f"{{{NS}}}after")
    if page is None and after is not None:
        # COMPAT: Profanity 0.13 writes <after/> into the query itself. Without this it would get
        # the first page again, and it shows those messages twice.
        page = Element(rsm.SET)
        SubElement(page, f"{{{rsm.NS}}}after").text = after
    return page
