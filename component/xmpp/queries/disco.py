"""XEP-0030: Service Discovery, version 2.5.0. Identities and features.

The server asks under a node for each half of the delegation, which are its own address and the
bare JIDs of its users, and merges the answers with its own (XEP-0355 section 7.2). mod_mam lists
its features at both. Addresses of archives at the component are all answered alike, so that
nobody learns which archives exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slixmpp import JID, Iq
from slixmpp.exceptions import XMPPError
from slixmpp.plugins.xep_0030 import DiscoInfo, DiscoItems

from component.core.errors import ItemNotFound
from component.core.hosts import Hosts
from component.core.xml.jids import Jids
from component.xmpp.archive import mam
from component.xmpp.connection.addresses import of_host_for_iq
from component.xmpp.connection.stream import Stream
from component.xmpp.queries import delegation
from component.xmpp.queries.archive_addresses import owner_at

PLUGINS = ("xep_0030", "xep_0199")

#: The payloads of gets that these plugins answer.
PAYLOADS = (
    "{http://jabber.org/protocol/disco#info}query",
    "{http://jabber.org/protocol/disco#items}query",
    "{urn:xmpp:ping}ping",
)

CATEGORY, KIND, NAME = "component", "archive", "Muniment"

#: The nodes under which the server asks for the features of its own address and of bare JIDs.
DELEGATED = frozenset(
    f"{namespace}:{half}:{mam.NS}" for namespace in delegation.NAMESPACES for half in ("", "bare")
)

#: A node handler of slixmpp's xep_0030: receives address, node, asker and query.
InfoHandler = Callable[[JID, str, JID, Iq], DiscoInfo | None]
ItemsHandler = Callable[[JID, str, JID, object], DiscoItems | None]


def _anybody(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A node of the component, such as an ad-hoc command (XEP-0050)."""

    node: str
    under: str  #: the node that lists it, "" for the component itself
    name: str
    category: str  #: the category of its identity
    kind: str  #: the type of its identity
    features: tuple[str, ...] = ()
    is_open_to: Callable[[str], bool] = _anybody  #: whether a bare JID may see it


def announce(
    stream: Stream,
    hosts: Hosts,
    addresses: Jids,
    *,
    groupchat: bool,
    features: Sequence[str] = (),
    items: Callable[[], Sequence[Item]] = tuple,
) -> None:
    """Answer service discovery at the component, and by delegation at virtual hosts and users.

    `groupchat` is whether messages of rooms are archived, `features` are further features of the
    component, and `items` returns its nodes of the moment.
    """
    for plugin in PLUGINS:
        stream.register_plugin(plugin)
    archive_features = (*mam.FEATURES, *((mam.GROUPCHAT,) if groupchat else ()))
    disco = stream.plugin["xep_0030"]
    jid = stream.boundjid
    disco.add_identity(category=CATEGORY, itype=KIND, name=NAME, jid=jid)
    for feature in (*archive_features, *features):
        disco.add_feature(feature, jid=jid)
    items_handler = _list_items(disco.static.get_items, items, jid)
    disco.set_node_handler("get_items", jid=jid, handler=items_handler)
    delegated_handler = _delegated_info(hosts, archive_features)
    for node in DELEGATED:
        disco.set_node_handler("get_info", jid=jid, node=node, handler=delegated_handler)
    component_handler = _item_info(disco.static.get_info, items)
    handler = _archive_info(component_handler, addresses, archive_features)
    disco.set_node_handler("get_info", handler=handler)


def _delegated_info(hosts: Hosts, features: Sequence[str]) -> InfoHandler:
    """Return a handler for the features of a delegation, which only virtual hosts may ask."""

    def handle(_: JID, node: str, asker: JID, query: Iq) -> DiscoInfo | None:
        host = str(asker)
        # After an error a server does not delegate: it answers users without an archive itself.
        if host not in hosts:
            raise XMPPError("item-not-found")
        # slixmpp answers the sender of the query.
        query["from"] = of_host_for_iq(host)
        # Without the node slixmpp adds the features of the component itself.
        return _info(features, node)

    return handle


def _archive_info(fallback: InfoHandler, addresses: Jids, features: Sequence[str]) -> InfoHandler:
    """Return a handler for addresses of archives that defers the component's to `fallback`."""

    def handle(address: JID, node: str, asker: JID, query: Iq) -> DiscoInfo | None:
        try:
            owner = owner_at(str(address), addresses)
        except ItemNotFound as refused:
            raise XMPPError("item-not-found", refused.message) from refused
        if owner is None:
            return fallback(address, node, asker, query)
        if node:
            raise XMPPError("item-not-found")
        info = _info((DiscoInfo.namespace, *features))
        info.add_identity(CATEGORY, KIND, NAME)
        return info

    return handle


def _list_items(
    fallback: ItemsHandler, items: Callable[[], Sequence[Item]], jid: JID
) -> ItemsHandler:
    """Return a handler that lists the items of a node which the asker may see.

    It defers nodes that are none of ours to `fallback`.
    """

    def handle(address: JID, node: str, asker: JID, query: object) -> DiscoItems | None:
        current = items()
        nodes = {item.under for item in current} | {item.node for item in current}
        if node and node not in nodes:
            return fallback(address, node, asker, query)
        answer = DiscoItems()
        answer["node"] = node
        for item in current:
            if item.under == node and item.is_open_to(asker.bare):
                answer.add_item(jid, item.node, item.name)
        return answer

    return handle


def _item_info(fallback: InfoHandler, items: Callable[[], Sequence[Item]]) -> InfoHandler:
    """Return a handler for the nodes of our items that defers everything else to `fallback`."""

    def handle(address: JID, node: str, asker: JID, query: Iq) -> DiscoInfo | None:
        item = next((item for item in items() if item.node == node), None)
        if item is None:
            return fallback(address, node, asker, query)
        if not item.is_open_to(asker.bare):
            raise XMPPError("forbidden", etype="auth")
        info = _info(item.features, node)
        info.add_identity(item.category, item.kind, item.name)
        return info

    return handle


def _info(features: Sequence[str], node: str = "") -> DiscoInfo:
    info = DiscoInfo()
    info["node"] = node
    for feature in features:
        info.add_feature(feature)
    return info
