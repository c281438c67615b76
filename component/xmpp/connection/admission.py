"""Decide which stanzas slixmpp receives, and answer the others.

Anybody can send any stanza to any address at the component. A stanza object costs time, and
slixmpp remembers each sender of presence. So slixmpp receives only stanzas that a feature handles.
"""

from __future__ import annotations

from collections.abc import Container
from xml.sax.saxutils import quoteattr

from component.core.errors import Refused
from component.core.xml import jids
from component.core.xml.stream_parser import Element
from component.xmpp.queries.exchange import Direct

#: Types of IQs that are responses (RFC 6120 section 8.2.3); all others must be answered.
RESPONSES = frozenset({"result", "error"})


def is_needed(
    stanza: Element, *, expected: Container[str], payloads: Container[tuple[str, str]]
) -> bool:
    """Return whether to deliver a stanza: a request, an expected response, or a notification.

    `expected` are the ids of our requests, `payloads` the namespaces and names of the payloads in
    notifications of a server. Presence is never delivered, because the component has no presence
    of its own (RFC 6121 section 4).
    """
    if stanza.name in ("iq", "message") and stanza.get("type") in RESPONSES:
        return stanza.get("id") in expected
    if stanza.name == "message":
        is_notification = any((child.ns, child.name) in payloads for child in stanza.elements)
        return is_notification and not jids.local(stanza.get("from"))
    return stanza.name == "iq"


def refusal_xml(stanza: Element, refused: Refused) -> str:
    """Return the answer to a stanza that is not delivered, "" if it needs none.

    The answer to a request is the error. The answer to a request for a subscription is
    `unsubscribed` (RFC 6121 section 3.1.3), because the component never sends presence.
    """
    sender, recipient, type = stanza.get("from"), stanza.get("to"), stanza.get("type")
    if not (sender and recipient):
        return ""
    if stanza.name == "iq" and type not in RESPONSES:
        return Direct(addressee=recipient, asker=sender, id=stanza.get("id")).error(refused)
    if stanza.name == "presence" and type == "subscribe":
        return (
            f"<presence type='unsubscribed' from={quoteattr(jids.bare(recipient))}"
            f" to={quoteattr(jids.bare(sender))}/>"
        )
    return ""
