"""Displayed markers (XEP-0490), as clients publish them and servers pass them on."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from component.core.access.principals import User
from component.core.reading.conversations import ConversationQuery
from support.wire import (
    ALICE,
    ALICE_PHONE,
    COMPONENT,
    NS_CLIENT,
    NS_FORWARD,
    NS_STANZAS,
    PRIVILEGE_2,
    Wire,
)

NS_MDS = "urn:xmpp:mds:displayed:0"
NS_PUBSUB = "http://jabber.org/protocol/pubsub"
NS_EVENT = f"{NS_PUBSUB}#event"

#: The privilege by which we may ask a server for markers.
GET = {NS_PUBSUB: "get"}

OPTIONS = (
    "<publish-options><x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE' type='hidden'>"
    f"<value>{NS_PUBSUB}#publish-options</value></field>"
    "<field var='pubsub#persist_items'><value>true</value></field>"
    "<field var='pubsub#max_items'><value>max</value></field>"
    "<field var='pubsub#send_last_published_item'><value>never</value></field>"
    "<field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>"
)


def stanza_id(id: str, by: str = ALICE) -> str:
    """Return the <stanza-id/> of a message."""
    return f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{id}'/>"


def item(chat: str, *ids: str) -> str:
    """Return an item of the node, with the ids of the last displayed message."""
    return f"<item id='{chat}'><displayed xmlns='{NS_MDS}'>{''.join(ids)}</displayed></item>"


def publication(*items: str, options: str = OPTIONS) -> str:
    """Return the payload of a publication by a client."""
    node = f"<publish node='{NS_MDS}'>{''.join(items)}</publish>"
    return f"<pubsub xmlns='{NS_PUBSUB}'>{node}{options}</pubsub>"


def items_of(*items: str) -> str:
    """Return the payload of a result that has all items of the node."""
    node = f"<items node='{NS_MDS}'>{''.join(items)}</items>"
    return f"<pubsub xmlns='{NS_PUBSUB}'>{node}</pubsub>"


def published(*items: str, sender: str = ALICE_PHONE, to: str | None = ALICE) -> str:
    """Return the IQ by which a client publishes."""
    addressed = "" if to is None else f" to='{to}'"
    return (
        f"<iq xmlns='{NS_CLIENT}' type='set' id='p' from='{sender}'{addressed}>"
        f"{publication(*items)}</iq>"
    )


def caught_up(*items: str, sender: str = ALICE, to: str = ALICE_PHONE) -> str:
    """Return the IQ by which the server sends all markers to a client."""
    return (
        f"<iq xmlns='{NS_CLIENT}' type='result' id='c' from='{sender}' to='{to}'>"
        f"{items_of(*items)}</iq>"
    )


def notified(*items: str, sender: str = ALICE, to: str = ALICE_PHONE) -> str:
    """Return the message by which the server notifies a client."""
    node = f"<items node='{NS_MDS}'>{''.join(items)}</items>"
    return (
        f"<message xmlns='{NS_CLIENT}' type='headline' from='{sender}' to='{to}'>"
        f"<event xmlns='{NS_EVENT}'>{node}</event></message>"
    )


async def unread(wire: Wire, owner: str = ALICE) -> dict[str, int]:
    """Return the number of unread messages by conversation, after reading all earlier stanzas."""
    await wire.archived(owner)
    return await read_unread(wire, owner)


async def read_unread(wire: Wire, owner: str = ALICE) -> dict[str, int]:
    """Return the number of unread messages by conversation."""
    page = await wire.parts.reader.conversations(User(owner), owner, ConversationQuery())
    return {summary.conversation.peer: summary.unread for summary in page.conversations}


async def next_marker_query(wire: Wire) -> ET.Element:
    """Return the next question for the markers of a user."""
    while True:
        sent = await wire.next_sent()
        if sent.find(f"{{{PRIVILEGE_2}}}privileged_iq") is not None:
            return sent


def answer(wire: Wire, question: ET.Element, payload: str = "", condition: str = "") -> None:
    """Answer a question for markers, as ejabberd does: with this payload, or with an error."""
    user, type = question.get("to"), "error" if condition else "result"
    error = f"<error type='cancel'><{condition} xmlns='{NS_STANZAS}'/></error>"
    wire.peer.send(
        f"<iq type='{type}' id='{question.get('id')}' from='{user}' to='{COMPONENT}'>"
        f"<privilege xmlns='{PRIVILEGE_2}'><forwarded xmlns='{NS_FORWARD}'>"
        f"<iq xmlns='{NS_CLIENT}' type='{type}' id='inner' from='{user}' to='{user}'>"
        f"{payload}{error if condition else ''}</iq></forwarded></privilege></iq>"
    )
