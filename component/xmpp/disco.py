"""XEP-0030: Service Discovery, version 2.5.0. What we are, and what users' addresses can do by us.

The server asks under a node for each half of the delegation (XEP-0355 section 5) and merges what
it hears: for users' bare JIDs our features, for the server itself nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from slixmpp import JID
from slixmpp.exceptions import XMPPError
from slixmpp.plugins.xep_0030 import DiscoInfo

from component.xmpp import delegation, mam
from component.xmpp.stream import Stream

PLUGINS = ("xep_0030", "xep_0199")

#: What the bare JID of every archived user can do.
BARE_FEATURES = (mam.NS,)

CATEGORY, KIND, NAME = "component", "archive", "Muniment"


def announce(stream: Stream, hosts: Collection[str]) -> None:
    """Answer service discovery; of users' addresses to the virtual hosts that they are on."""
    for plugin in PLUGINS:
        stream.register_plugin(plugin)
    disco = stream.plugin["xep_0030"]
    jid = stream.boundjid
    disco.add_identity(category=CATEGORY, itype=KIND, name=NAME, jid=jid)
    for feature in BARE_FEATURES:
        disco.add_feature(feature, jid=jid)
    for namespace in delegation.NAMESPACES:
        node = f"{namespace}:bare:{mam.NS}"
        disco.set_node_handler("get_info", jid=jid, node=node, handler=_bare(frozenset(hosts)))


def _bare(hosts: Collection[str]) -> Callable[[JID, str, JID, object], DiscoInfo]:
    def info(_: JID, node: str, asker: JID, __: object) -> DiscoInfo:
        # Refused, a server keeps the queries of users that have no archive here to itself.
        if str(asker) not in hosts:
            raise XMPPError("item-not-found")
        found = DiscoInfo()
        # Without it slixmpp takes this for what the component itself is, and says so.
        found["node"] = node
        for feature in BARE_FEATURES:
            found.add_feature(feature)
        return found

    return info
