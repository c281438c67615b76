"""The XML of answers to archive queries: results, <fin/>, metadata (XEP-0313)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import quoteattr

from component.core.xml.namespaces import in_client_namespace
from component.core.xml.stanza import NS_DELAY
from component.core.xml.times import format_time
from component.xmpp.archive import rsm
from component.xmpp.archive.mam_form import NS_MAM
from component.xmpp.queries.exchange import NS_FORWARD
from storage.rows import ArchivedMessage, Page


def results_xml(messages: Iterable[ArchivedMessage], queryid: str | None) -> Iterator[str]:
    """Yield each archived message as a <result/> (section 4.2).

    A blanked message has its time only (section 3.2).
    """
    of_query = "" if queryid is None else f" queryid={quoteattr(queryid)}"
    head = f"<result xmlns='{NS_MAM}'{of_query} id='"
    middle = f"'><forwarded xmlns='{NS_FORWARD}'><delay xmlns='{NS_DELAY}' stamp='"
    for message in messages:
        xml, stamp = in_client_namespace(message.xml), format_time(message.at)
        yield f"{head}{message.id}{middle}{stamp}'/>{xml}</forwarded></result>"


def fin_xml(page: Page, *, backwards: bool) -> str:
    """Return the <fin/> that ends a page (section 4.3), with the ids and the completeness.

    Results are stable: no message is ever inserted before one that is in the archive.
    """
    complete = " complete='true'" if page.complete else ""
    limits = rsm.set_xml(page, backwards=backwards)
    return f"<fin xmlns='{NS_MAM}' stable='true'{complete}>{limits}</fin>"


def metadata_xml(bounds: tuple[ArchivedMessage, ArchivedMessage] | None) -> str:
    """Return the first and last message of an archive, none if it is empty (section 5)."""
    edges = "" if bounds is None else _edge("start", bounds[0]) + _edge("end", bounds[1])
    return f"<metadata xmlns='{NS_MAM}'>{edges}</metadata>"


def _edge(name: str, message: ArchivedMessage) -> str:
    return f"<{name} id='{message.id}' timestamp='{format_time(message.at)}'/>"
