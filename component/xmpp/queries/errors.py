"""Stanza errors (RFC 6120 section 8.3): made of exceptions, and read from answers."""

from __future__ import annotations

import logging
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from component.core.errors import Refused

log = logging.getLogger(__name__)

#: Characters of an id that a log line has.
LOGGED_MAX = 100

NS_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def refusal(error: Exception, id: str, asker: str) -> Refused:
    """Return the refusal that the asker of a query is sent for an exception."""
    if isinstance(error, Refused):
        return error
    log.error("query with id %r from %r failed", id[:LOGGED_MAX], asker, exc_info=error)
    return Refused("internal error: the log of the component has the details")


def condition_in(stanza: Element) -> str:
    """Return the condition of an error that a server sent, "" if it has none.

    slixmpp finds conditions on the streams of clients only.
    """
    for element in stanza.iterfind("{*}error/*"):
        namespace, _, name = element.tag[1:].partition("}")
        if namespace == NS_STANZAS and name != "text":
            return name
    return ""


def error_xml(refused: Refused) -> str:
    """Return the <error/> element of a refusal."""
    specific = ""
    if refused.specific is not None:
        namespace, name = refused.specific
        specific = f"<{name} xmlns='{namespace}'/>"
    return (
        f"<error type='{refused.kind}'><{refused.condition} xmlns='{NS_STANZAS}'/>"
        f"<text xmlns='{NS_STANZAS}' xml:lang='en'>{escape(refused.message)}</text>"
        f"{specific}</error>"
    )
