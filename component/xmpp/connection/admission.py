"""What of a stream has somebody here who needs it, and what all else is answered.

Anybody can send anything to any address at the component. To make a stanza object costs time, and
slixmpp remembers who sent presence to whom, so only what is needed is handed on.
"""

from __future__ import annotations

from collections.abc import Container
from xml.sax.saxutils import quoteattr

from component.core.errors import Refused
from component.core.xml import jids
from component.core.xml.stream_parser import Element
from component.xmpp.queries.exchange import Direct

#: Types of IQs that are answers (RFC 6120 section 8.2.3); any other one has to be answered.
ANSWERS = frozenset({"result", "error"})


def is_needed(
    stanza: Element, *, asked: Container[str], messages: Container[tuple[str, str]]
) -> bool:
    """Return whether a stanza is a question, an answer to one of ours, or news from a server.

    `asked` are the ids of our questions, `messages` the payloads of the news, by namespace and
    name. Presence is not needed: the component has none of its own (RFC 6121 section 4).
    """
    if stanza.name in ("iq", "message") and stanza.get("type") in ANSWERS:
        return stanza.get("id") in asked
    if stanza.name == "message":
        is_news = any((child.ns, child.name) in messages for child in stanza.elements)
        return is_news and not jids.local(stanza.get("from"))
    return stanza.name == "iq"


def answer(stanza: Element, refused: Refused) -> str:
    """Return what is to be answered to a stanza that is not handed on, "" where it is nothing.

    A question is refused. So is a request for a subscription (RFC 6121 section 3.1.3): nobody
    here would ever send presence.
    """
    sender, addressee = stanza.get("from"), stanza.get("to")
    type = stanza.get("type")
    if not (sender and addressee):
        return ""
    if stanza.name == "iq" and type not in ANSWERS:
        asked = Direct(addressee=addressee, asker=sender, id=stanza.get("id"))
        return asked.error(refused)
    if stanza.name == "presence" and type == "subscribe":
        return (
            f"<presence type='unsubscribed' from={quoteattr(jids.bare(addressee))}"
            f" to={quoteattr(jids.bare(sender))}/>"
        )
    return ""
