"""XEP-0490: Message Displayed Synchronization, version 1.0.1. Markers from copies and queries.

A client publishes the id of the last displayed message of each conversation on a node of its own
server (XEP-0163), reads all of them at its login, and is notified of those of other clients. All
three are copied to us: <publish/>, <items/> in a result, and <items/> in an <event/>.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree

from cachetools import TTLCache
from slixmpp.exceptions import IqTimeout

from component.core.ejabberd_options import NS_PUBSUB
from component.core.hosts import Hosts
from component.core.messages.references import room_name_hash
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.preparation import prepared
from component.core.xml.stanza import NS_STANZA_ID, Stanza
from component.core.xml.stream_parser import Element, Malformed
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.stream import Stream
from component.xmpp.copies.mucsub import NS_EVENT
from component.xmpp.queries.privilege import Privileges
from component.xmpp.queries.privileged_iq import UserIqError, ask_as_user
from storage.rows import DisplayedMarker

log = logging.getLogger(__name__)

NS = "urn:xmpp:mds:displayed:0"

_NS_BYTES = NS.encode()
_PUBSUB = (NS_PUBSUB, "pubsub")
_EVENT = (NS_EVENT, "event")

#: A stanza, its payload, the node, <item/>, <displayed/>, <stanza-id/>.
_DEPTH = 5

#: Characters that a JID (RFC 7622 section 3.1) and an id may have.
JID_MAX = 3 * 1023 + 2
ID_MAX = 1024

#: Seconds to wait for the markers of a user, and the number of markers to ask for: the newest.
ANSWER_SECONDS = 5.0
ITEMS_MAX = 1000

#: Seconds until a host is asked again after a refusal or without an answer.
REFUSED_SECONDS = 600.0
_HOSTS_MAX = 1000

_ITEMS = f"<pubsub xmlns='{NS_PUBSUB}'><items node='{NS}' max_items='{ITEMS_MAX}'/></pubsub>"

_GRANT = f"iq: {{{NS_PUBSUB}: {{get: muniment}}}}"


class DisplayedCopies:
    """Reads the markers in copies of stanzas between users and their own accounts."""

    def __init__(
        self,
        note: Callable[[Sequence[DisplayedMarker]], None],
        addresses: Addresses,
        hosts: Hosts,
    ) -> None:
        """`note` is called with the markers of each stanza that has any."""
        self._note = note
        self._addresses = addresses
        self._hosts = hosts

    def take_iq(self, host: str, iq: Element, raw: bytes) -> None:
        """Read the publication of a client, or a result for a client, that `host` copied.

        A publication counts even if the server refuses it: the user has displayed the message.
        """
        if _NS_BYTES not in raw or iq.get("type") not in ("set", "result"):
            return
        client, account, name = (
            ("from", "to", "publish") if iq.get("type") == "set" else ("to", "from", "items")
        )
        session = self._addresses.accept(iq.get(client))
        owner = jids.bare(session)
        is_own = self._addresses.accept(iq.get(account)) in ("", owner)
        if is_own and jids.resource(session) and jids.domain(owner) == host:
            self._take(owner, raw, _PUBSUB, name)

    def take_message(self, stanza: Stanza) -> None:
        """Read an event that the account of a user sends to a client of that user."""
        if _EVENT not in stanza.payloads or _NS_BYTES not in stanza.raw:
            return
        owner = stanza.sender
        if jids.bare(stanza.recipient) == owner and self._hosts.is_user(owner):
            self._take(owner, stanza.raw, _EVENT, "items")

    def _take(self, owner: str, raw: bytes, payload: tuple[str, str], name: str) -> None:
        try:
            markers = _markers(owner, parse(raw, keep_depth=_DEPTH), payload, name)
            self._note([*markers])
        except Malformed as error:
            log.debug("left out displayed markers of %s: %s", owner, error)


class DisplayedQueries:
    """Asks servers for markers as their users; implements `core.reading.displayed`.

    ejabberd permits such queries from 25.03 on. Older releases with `iq:` in mod_privilege send
    the query back to us, and it gets no answer.
    """

    def __init__(
        self, stream: Stream, privileges: Privileges, *, timeout: float = ANSWER_SECONDS
    ) -> None:
        self._stream = stream
        self._privileges = privileges
        self._timeout = timeout
        self._refusing: TTLCache[str, None] = TTLCache(
            _HOSTS_MAX, REFUSED_SECONDS, timer=time.monotonic
        )
        self._answering: set[str] = set()  # hosts
        self._logged: set[str] = set()  # hosts of which a line was logged on this connection
        stream.add_event_handler("session_start", self._begin)

    def is_askable(self, host: str) -> bool:
        """Return whether a host permits queries, and has answered the last ones."""
        if (NS_PUBSUB, "get") in self._privileges.iqs(host):
            return host not in self._refusing
        if self._privileges.has_iqs:
            self._log(
                logging.INFO,
                host,
                "is not asked for displayed markers (XEP-0490): from ejabberd 25.03 on,"
                " mod_privilege can permit it by " + _GRANT,
            )
        return False

    async def displayed(self, owner: str) -> tuple[DisplayedMarker, ...]:
        """Return the markers of a user, () if the server does not answer or refuses."""
        host = jids.domain(owner)
        try:
            answer = await ask_as_user(self._stream, owner, "get", _ITEMS, patience=self._timeout)
        except UserIqError as error:
            self._answering.add(host)
            # A user without markers has no such node.
            if str(error) != "item-not-found":
                self._refuse(host, f"refuses displayed markers: {error}")
            return ()
        except IqTimeout:
            # A host whose answer about one user is too large does not refuse in general.
            if host not in self._answering:
                self._refuse(host, "does not answer for displayed markers: ejabberd 25.03 can")
            return ()
        if answer is None:
            return ()
        self._answering.add(host)
        element = parse(ElementTree.tostring(answer), keep_depth=_DEPTH)
        return tuple(_markers(owner, element, _PUBSUB, "items"))

    def _begin(self, _: object) -> None:
        self._refusing.clear()
        self._answering.clear()
        self._logged.clear()

    def _refuse(self, host: str, text: str) -> None:
        self._refusing[host] = None
        self._log(logging.WARNING, host, text)

    def _log(self, level: int, host: str, text: str) -> None:
        if host not in self._logged:
            self._logged.add(host)
            log.log(level, "%s %s", host, text)


def _markers(
    owner: str, stanza: Element, payload: tuple[str, str], name: str
) -> Iterator[DisplayedMarker]:
    """Yield the markers in the payload of a stanza, below the element `name`."""
    for container in stanza.elements:
        if (container.ns, container.name) != payload:
            continue
        for node in container.elements:
            if node.name == name and node.get("node") == NS:
                items = (item for item in node.elements if item.name == "item")
                markers = (_marker(owner, item) for item in items)
                yield from (marker for marker in markers if marker is not None)


def _marker(owner: str, item: Element) -> DisplayedMarker | None:
    """Return the marker in an <item/>, None if it has no marker of a conversation.

    A private message in a room has no conversation of its own here, so its marker is ignored.
    """
    displayed = item.child(NS, "displayed")
    ids = [] if displayed is None else displayed.elements
    if len(ids) != 1 or (ids[0].ns, ids[0].name) != (NS_STANZA_ID, "stanza-id"):
        return None
    peer, by, id = item.get("id"), ids[0].get("by"), ids[0].get("id")
    if not 0 < len(peer) <= JID_MAX or len(by) > JID_MAX or not 0 < len(id) <= ID_MAX:
        return None
    peer, by = prepared(peer), prepared(by)
    if jids.resource(peer):
        return None
    if by not in ("", owner, peer):
        return None
    # slixmpp 1.17 does not write `by`.
    return DisplayedMarker(
        owner=owner,
        peer=peer,
        id=id if by in ("", owner) else None,
        name_hash=None if by == owner else room_name_hash(peer, id),
    )
