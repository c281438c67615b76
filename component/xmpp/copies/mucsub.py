"""MUC/Sub: events that rooms of ejabberd send to subscribers, who need not be occupants.

<message from=ROOM to=USER><event xmlns='http://jabber.org/protocol/pubsub#event'>
<items node='urn:xmpp:mucsub:nodes:messages'><item><message from=ROOM/NICK type='groupchat' .../>
</item></items></event></message>. https://docs.ejabberd.im/developer/xmpp-clients-bots/extensions/muc-sub/
"""

from __future__ import annotations

from collections.abc import Callable

from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import GROUPCHAT, NS_DELAY, Stanza, read
from component.core.xml.stream_parser import cut

NS_EVENT = "http://jabber.org/protocol/pubsub#event"

_EVENT = (NS_EVENT, "event")
_DELAY = (NS_DELAY, "delay")
_NODES = frozenset({"urn:xmpp:mucsub:nodes:messages", "urn:xmpp:mucsub:nodes:subject"})

#: message, event, items, item, message
_DEPTH = 4


def unwrapped(stanza: Stanza, hosts: Hosts, accept: Callable[[str], str]) -> tuple[Stanza, ...]:
    """Return the room messages in an event for a subscriber, () if the stanza is no such event.

    Only the bare JID of a room may send one, because users can publish events of any kind. Rooms
    pass on the payloads that users add to a declined invitation, so the event must be the only
    payload. Raises Malformed.
    """
    room = stanza.sender
    if stanza.payloads - {_DELAY} != {_EVENT} or not _is_room(room, hosts):
        return ()
    messages = []
    for raw in _raw_messages(stanza):
        message = read(parse(raw, keep_depth=1), raw, accept)
        is_of_room = jids.bare(message.sender) == room and message.type == GROUPCHAT
        if is_of_room and jids.bare(message.recipient) == jids.bare(stanza.recipient):
            # A server that stored the event stored the message in it.
            messages.append(message._replace(delays=stanza.delays))
    return tuple(messages)


def _is_room(address: str, hosts: Hosts) -> bool:
    """Return whether an address can be that of a room: a bare JID on no virtual host."""
    is_bare = address == jids.bare(address) and jids.local(address) != ""
    return is_bare and jids.domain(address) not in hosts


def _raw_messages(stanza: Stanza) -> list[bytes]:
    """Return the bytes of the messages in the events of a stanza."""
    root = parse(stanza.raw, keep_depth=_DEPTH)
    return [
        cut(stanza.raw, root, message)
        for event in root.elements
        if (event.ns, event.name) == _EVENT
        for items in event.elements
        if items.get("node") in _NODES
        for item in items.elements
        for message in item.elements
        if (message.ns, message.name) == (NS_CLIENT, "message")
    ]
