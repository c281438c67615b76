"""Roster stanzas: gets of the component, and the answers and pushes of a test."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from support.wire import COMPONENT, HOST, NS_COMPONENT, Wire, copy_of

NS_ROSTER = "jabber:iq:roster"


async def next_roster_get(wire: Wire) -> Element:
    """Return the next stanza of the component, which must be a roster get."""
    iq = await wire.next_sent()
    assert iq.find(f"{{{NS_ROSTER}}}query") is not None, iq.attrib
    assert (iq.tag, iq.get("type")) == (f"{{{NS_COMPONENT}}}iq", "get")
    return iq


def answer_roster_get(wire: Wire, get: Element, *contacts: str) -> None:
    """Answer with a roster."""
    items = "".join(f"<item jid='{jid}' subscription='both'/>" for jid in contacts)
    wire.peer.send(
        f"<iq type='result' from='{get.get('to')}' to='{COMPONENT}' id='{get.get('id')}'>"
        f"<query xmlns='{NS_ROSTER}'>{items}</query></iq>"
    )


def push(*, sender: str | None, to: str, type: str = "set", host: str = HOST) -> str:
    """Return the copy of a roster push, as mod_service_log sends it."""
    by = "" if sender is None else f" from='{sender}'"
    return copy_of(
        f"<iq xmlns='jabber:client' type='{type}' id='push1' to='{to}'{by}>"
        f"<query xmlns='{NS_ROSTER}' ver='2'><item jid='x@y' subscription='none'/></query></iq>",
        host,
    )
