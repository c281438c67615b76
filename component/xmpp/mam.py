"""XEP-0313: Message Archive Management, version 1.1.3, and its pages.

XEP-0059: Result Set Management, version 1.0. Reads queries and writes results;
`component.core.history` decides.
"""

from __future__ import annotations

import re
from asyncio import Semaphore
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from component.core import jids
from component.core.errors import BadRequest, NotImplementedHere
from component.core.history import Answer, History, Query
from component.core.ports import Jids
from component.core.stanza import NS_CLIENT, NS_DELAY
from component.core.times import format_time, parse_time
from component.xmpp.exchange import Exchange
from component.xmpp.gate import NS_FORWARD
from storage.rows import Filter, Stored

NS = "urn:xmpp:mam:2"
NS_RSM = "http://jabber.org/protocol/rsm"
NS_FORM = "jabber:x:data"

QUERY = f"{{{NS}}}query"

#: The start tag of a stanza, up to the declaration of its namespace.
_NAMESPACED = re.compile(
    r"<message(?:\s+(?!xmlns[\s=])[^\s=]+\s*=\s*(?:'[^']*'|\"[^\"]*\"))*\s+xmlns\s*="
)

#: Queries under way at once; more of them wait for their turn.
AT_ONCE = 32

#: The fields of the form, with their types (XEP-0313 section 4.1.1).
FIELDS = {"with": "jid-single", "start": "text-single", "end": "text-single"}


class Mam:
    """Answers archive queries."""

    def __init__(self, history: History, addresses: Jids) -> None:
        self._history = history
        self._addresses = addresses
        self._turn = Semaphore(AT_ONCE)

    async def answer(self, type: str, query: Element, exchange: Exchange) -> str:
        """Return the text that answers a query: its results, then its end. Raises Refused."""
        if type == "get":
            return exchange.result(form_xml())
        wanted = parse(query, self._addresses)
        async with self._turn:
            answer = await self._history.read(exchange.requester, exchange.owner, wanted)
        queryid = query.get("queryid")
        results = exchange.messages(result_xml(one, queryid) for one in answer.page.messages)
        return results + exchange.result(fin_xml(answer))


def form_xml() -> str:
    """Return the form that tells which fields a query may have (section 4.1.5)."""
    fields = "".join(f"<field type='{type}' var='{name}'/>" for name, type in FIELDS.items())
    return (
        f"<query xmlns='{NS}'><x xmlns='{NS_FORM}' type='form'>"
        f"<field type='hidden' var='FORM_TYPE'><value>{NS}</value></field>{fields}</x></query>"
    )


def result_xml(message: Stored, queryid: str | None) -> str:
    """Return one archived message as a <result/> (section 4.2)."""
    of_query = "" if queryid is None else f" queryid={quoteattr(queryid)}"
    return (
        f"<result xmlns='{NS}'{of_query} id='{message.id}'><forwarded xmlns='{NS_FORWARD}'>"
        f"<delay xmlns='{NS_DELAY}' stamp='{format_time(message.at)}'/>"
        f"{_in_client_namespace(message.xml)}</forwarded></result>"
    )


def _in_client_namespace(xml: str) -> str:
    """Return a stanza that says its namespace, which is not that of what is around it now.

    Old servers leave it out of what they post, and what was posted is kept as it is.
    """
    if _NAMESPACED.match(xml) or not xml.startswith("<message"):
        return xml
    return f"<message xmlns='{NS_CLIENT}'{xml.removeprefix('<message')}"


def fin_xml(answer: Answer) -> str:
    """Return what ends a page: where it begins and ends, and whether it is the last one."""
    page = answer.page
    complete = " complete='true'" if page.complete else ""
    first = last = count = ""
    if page.messages:
        first = f"<first>{page.messages[0].id}</first>"
        last = f"<last>{page.messages[-1].id}</last>"
    if answer.count is not None:
        count = f"<count>{answer.count}</count>"
    return f"<fin xmlns='{NS}'{complete}><set xmlns='{NS_RSM}'>{first}{last}{count}</set></fin>"


def parse(query: Element, addresses: Jids) -> Query:
    """Read a query. Raises BadRequest, NotImplementedHere."""
    if query.get("node") is not None:
        raise NotImplementedHere("there are no archives of nodes here")
    if query.find(f"{{{NS}}}flip-page") is not None:
        raise NotImplementedHere("pages cannot be flipped here")
    form = query.find(f"{{{NS_FORM}}}x")
    wanted = Filter() if form is None else _filter(_values(form), addresses)
    page = query.find(f"{{{NS_RSM}}}set")
    if page is None:
        return Query(wanted=wanted)
    if page.find(f"{{{NS_RSM}}}index") is not None:
        raise NotImplementedHere("pages are not found by index here, only by id")
    before = page.findtext(f"{{{NS_RSM}}}before")
    return Query(
        wanted=wanted,
        max=_max(page.findtext(f"{{{NS_RSM}}}max")),
        after=page.findtext(f"{{{NS_RSM}}}after") or None,
        before=before or None,
        # An empty <before/> asks for the last page (XEP-0059 section 2.5).
        backwards=before is not None,
    )


def _max(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"max: {text[:20]!r} is not a number of messages")
    # More digits than any archive has messages say no more than these.
    return int(text[:18])


def _values(form: Element) -> dict[str, str]:
    """Return the fields of a submitted form that have a value."""
    values: dict[str, str] = {}
    for field in form.iterfind(f"{{{NS_FORM}}}field"):
        name, found = field.get("var", ""), field.findall(f"{{{NS_FORM}}}value")
        if name not in FIELDS and name != "FORM_TYPE":
            raise NotImplementedHere(f"{name[:40]!r} is not a field of this archive")
        if len(found) > 1 or name in values:
            raise BadRequest(f"{name} can have one value only")
        if found:
            values[name] = found[0].text or ""
    if values.pop("FORM_TYPE", NS) != NS:
        raise BadRequest(f"FORM_TYPE must be {NS}")
    return values


def _filter(values: dict[str, str], addresses: Jids) -> Filter:
    peer = resource = None
    if "with" in values:
        address = addresses.prepare(values["with"])
        peer, resource = jids.bare(address), jids.resource(address) or None
    return Filter(
        peer=peer,
        resource=resource,
        since=_time(values, "start"),
        until=_time(values, "end"),
    )


def _time(values: dict[str, str], name: str) -> int | None:
    if name not in values:
        return None
    try:
        return parse_time(values[name])
    except BadRequest as error:
        raise BadRequest(f"{name}: {error.message}") from error
