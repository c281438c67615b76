"""XEP-0030: Service Discovery, version 2.5.0. What we are, and what archives can do by us.

The server asks under a node for each half of the delegation (XEP-0355 section 5) and merges what
it hears: for users' bare JIDs our features, for the server itself nothing. Every address that an
archive could have at the component is answered for alike, so nothing is told of which there are.
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

#: What they answer to a get, by payload.
PAYLOADS = (
    "{http://jabber.org/protocol/disco#info}query",
    "{http://jabber.org/protocol/disco#items}query",
    "{urn:xmpp:ping}ping",
)

CATEGORY, KIND, NAME = "component", "archive", "Muniment"

#: The nodes under which the server asks what users' bare JIDs can do.
BARE = frozenset(f"{namespace}:bare:{mam.NS}" for namespace in delegation.NAMESPACES)

Handler = Callable[[JID, str, JID, Iq], DiscoInfo | None]

Lister = Callable[[JID, str, JID, object], DiscoItems | None]


def _anybody(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A node of the component, like an ad-hoc command (XEP-0050)."""

    node: str
    under: str  #: the node that lists it, "" for the component itself
    name: str
    category: str  #: of its identity, like the kind
    kind: str
    features: tuple[str, ...] = ()
    is_open_to: Callable[[str], bool] = _anybody  #: who is told of it, by bare JID


def announce(
    stream: Stream,
    hosts: Hosts,
    addresses: Jids,
    *,
    groupchat: bool,
    features: Sequence[str] = (),
    items: Callable[[], Sequence[Item]] = tuple,
) -> None:
    """Answer service discovery; of users' addresses to the virtual hosts that they are on.

    `groupchat` says whether messages of rooms are archived, `features` what the component can do
    besides; `items` returns what it has at the moment.
    """
    for plugin in PLUGINS:
        stream.register_plugin(plugin)
    of_archives = (*mam.FEATURES, *((mam.GROUPCHAT,) if groupchat else ()))
    disco = stream.plugin["xep_0030"]
    jid = stream.boundjid
    disco.add_identity(category=CATEGORY, itype=KIND, name=NAME, jid=jid)
    for feature in (*of_archives, *features):
        disco.add_feature(feature, jid=jid)
    listed = _items(disco.static.get_items, items, jid)
    disco.set_node_handler("get_items", jid=jid, handler=listed)
    bare = _bare(hosts, of_archives)
    for node in BARE:
        disco.set_node_handler("get_info", jid=jid, node=node, handler=bare)
    of_items = _of_items(disco.static.get_info, items)
    elsewhere = _elsewhere(of_items, addresses, of_archives)
    disco.set_node_handler("get_info", handler=elsewhere)


def _bare(hosts: Hosts, features: Sequence[str]) -> Handler:
    """Return what answers for users' bare JIDs."""

    def info(_: JID, node: str, asker: JID, query: Iq) -> DiscoInfo | None:
        host = str(asker)
        # slixmpp answers the sender of the query.
        query["from"] = of_host_for_iq(host)
        # Refused, a server keeps the queries of users that have no archive here to itself.
        if host not in hosts:
            raise XMPPError("item-not-found")
        # Without its node slixmpp takes this for what the component itself is, and says so.
        return _info(features, node)

    return info


def _elsewhere(otherwise: Handler, addresses: Jids, features: Sequence[str]) -> Handler:
    """Return what answers for addresses of archives, and lets another answer for the component."""

    def info(address: JID, node: str, asker: JID, query: Iq) -> DiscoInfo | None:
        try:
            owner = owner_at(str(address), addresses)
        except ItemNotFound as refused:
            raise XMPPError("item-not-found", refused.message) from refused
        if owner is None:
            return otherwise(address, node, asker, query)
        if node:
            raise XMPPError("item-not-found")
        found = _info((DiscoInfo.namespace, *features))
        found.add_identity(CATEGORY, KIND, NAME)
        return found

    return info


def _items(otherwise: Lister, items: Callable[[], Sequence[Item]], jid: JID) -> Lister:
    """Return what lists the items of a node to those who are told of them."""

    def listed(address: JID, node: str, asker: JID, query: object) -> DiscoItems | None:
        known = items()
        if node and node not in {item.under for item in known} | {item.node for item in known}:
            return otherwise(address, node, asker, query)
        found = DiscoItems()
        found["node"] = node
        for item in known:
            if item.under == node and item.is_open_to(asker.bare):
                found.add_item(jid, item.node, item.name)
        return found

    return listed


def _of_items(otherwise: Handler, items: Callable[[], Sequence[Item]]) -> Handler:
    """Return what answers for items, and lets another answer for all else."""

    def info(address: JID, node: str, asker: JID, query: Iq) -> DiscoInfo | None:
        item = next((item for item in items() if item.node == node), None)
        if item is None:
            return otherwise(address, node, asker, query)
        if not item.is_open_to(asker.bare):
            raise XMPPError("forbidden", etype="auth")
        found = _info(item.features, node)
        found.add_identity(item.category, item.kind, item.name)
        return found

    return info


def _info(features: Sequence[str], node: str = "") -> DiscoInfo:
    found = DiscoInfo()
    found["node"] = node
    for feature in features:
        found.add_feature(feature)
    return found
