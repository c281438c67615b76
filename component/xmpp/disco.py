"""XEP-0030: Service Discovery, version 2.5.0. What we are, and what users' addresses can do by us.

The server asks under a node for each half of the delegation (XEP-0355 section 5) and merges what
it hears: for users' bare JIDs our features, for the server itself nothing.
"""

from __future__ import annotations

from component.xmpp import delegation, mam
from component.xmpp.stream import Stream

PLUGINS = ("xep_0030", "xep_0199")

#: What the bare JID of every archived user can do.
BARE_FEATURES = (mam.NS,)

CATEGORY, KIND, NAME = "component", "archive", "Muniment"


def announce(stream: Stream) -> None:
    """Answer service discovery."""
    for plugin in PLUGINS:
        stream.register_plugin(plugin)
    disco = stream.plugin["xep_0030"]
    jid = stream.boundjid
    disco.add_identity(category=CATEGORY, itype=KIND, name=NAME, jid=jid)
    for feature in BARE_FEATURES:
        disco.add_feature(feature, jid=jid)
    for namespace in delegation.NAMESPACES:
        node = f"{namespace}:bare:{mam.NS}"
        for feature in BARE_FEATURES:
            disco.add_feature(feature, node=node, jid=jid)
