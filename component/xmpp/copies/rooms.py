"""Rooms of ejabberd: presences and messages that they send to our users, and their features."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from cachetools import TTLCache
from slixmpp.exceptions import IqError, IqTimeout

from component.core.access.rooms import AFFILIATIONS, NONE, OUTCAST, Rooms
from component.core.ejabberd_options import NS_DISCO_INFO
from component.core.hosts import Hosts
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import NS_MUC_USER, Stanza
from component.core.xml.stream_parser import Element
from component.core.xml.times import now
from component.xmpp.connection.addresses import Addresses
from component.xmpp.connection.stream import Stream
from component.xmpp.queries.errors import NS_STANZAS
from component.xmpp.queries.privilege import Privileges
from component.xmpp.queries.privileged_iq import ask_as_host
from storage.rows import Occupant

log = logging.getLogger(__name__)


#: Seconds for which the answer of a room is remembered, and seconds to wait for an answer.
REMEMBERED_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0

#: Maximum number of remembered answers.
REMEMBERED_MAX = 1000

#: Maximum number of requests of owners and admins that wait for the answer of their room, and
#: seconds for which they wait.
REQUESTS_MAX = 200
REQUEST_SECONDS = 60.0

#: Maximum number of invitations in one message that count.
INVITED_MAX = 100

NS_MUC_ADMIN = "http://jabber.org/protocol/muc#admin"

_CHILD_INVITE = (NS_MUC_USER, "invite")
_DIRECT_INVITATION = ("jabber:x:conference", "x")

#: XEP-0045 section 15.6.2: this presence is the recipient's own.
_SELF = "110"

#: XEP-0045 section 15.6.2: the recipient has created the room.
_CREATED = "201"

#: XEP-0045 section 15.6.2: the configuration of the room has changed.
_CHANGED = "104"

#: Affiliations that follow from the error to a user who tries to enter (XEP-0045 section 7.2).
_REFUSALS = {"forbidden": OUTCAST, "registration-required": NONE}


class RoomEvents:
    """Notes the affiliations of our users from the stanzas that rooms send to them."""

    def __init__(self, rooms: Rooms, addresses: Addresses, hosts: Hosts) -> None:
        self._rooms = rooms
        self._addresses = addresses
        self._hosts = hosts
        #: requests to set affiliations without an answer, with their times, by room, admin and id
        self._requests: TTLCache[tuple[str, str, str], tuple[bytes, int]] = TTLCache(
            REQUESTS_MAX, REQUEST_SECONDS, timer=time.monotonic
        )

    def take_presence(self, presence: Element, raw: bytes) -> None:
        """Note the affiliation of the recipient if a room's presence has it."""
        # Nearly all presences are from users.
        if not self._rooms.has_archive(presence.get("from")):
            return
        room, jid = (self._addresses.accept(presence.get(name)) for name in ("from", "to"))
        if presence.get("type") == "unavailable" and _is_destroyed(raw):
            # A user of another server may create the next room, which causes no copy to us.
            self._rooms.note_created(jids.bare(room), now())
            return
        affiliation = _affiliation(presence, raw)
        if affiliation is None:
            return
        occupant = Occupant(room=jids.bare(room), jid=jids.bare(jid), affiliation=affiliation)
        if presence.get("type") == "error":
            # A user who is refused may never have been in the room: this can only remove rights.
            self._rooms.note_absent(occupant)
            return
        occupant = replace(occupant, lost_at=now())
        if _CREATED in _codes(_reread(raw)) and not self._rooms.is_made(occupant.room):
            self._rooms.note_created(occupant.room, now())
        self._rooms.note(occupant)

    def take_message(self, stanza: Stanza) -> None:
        """Note the affiliation of a user who is not in the room (XEP-0045 section 9)."""
        if _CHILD_INVITE in stanza.payloads or _DIRECT_INVITATION in stanza.payloads:
            self._note_invited(stanza)
        if not self._rooms.has_archive(stanza.sender) or jids.resource(stanza.sender):
            return
        if _CHANGED.encode() in stanza.raw and _CHANGED in _codes(_reread(stanza.raw)):
            self._rooms.note_changed(stanza.sender)
        item = _lone_item(stanza)
        if item is not None and item.get("affiliation") in AFFILIATIONS:
            jid = jids.bare(self._addresses.accept(item.get("jid")))
            affiliation = item.get("affiliation")
            self._rooms.note_absent(
                Occupant(room=stanza.sender, jid=jid, affiliation=affiliation, lost_at=now())
            )

    def take_iq(self, host: str, iq: Element, raw: bytes) -> None:
        """Note affiliations that owners and admins set (section 9), once the room agrees."""
        type = iq.get("type")
        if type == "set" and iq.child(NS_MUC_ADMIN, "query") is not None:
            room, admin = (self._addresses.accept(iq.get(name)) for name in ("to", "from"))
            if self._rooms.has_archive(room) and jids.domain(admin) == host:
                self._requests[room, admin, iq.get("id")] = raw, now()
        elif type == "result" and self._rooms.has_archive(iq.get("from")):
            room, admin = (self._addresses.accept(iq.get(name)) for name in ("from", "to"))
            request = self._requests.pop((room, admin, iq.get("id")), None)
            if request is not None and jids.domain(admin) == host:
                self._note_granted(room, *request)

    def _note_granted(self, room: str, request: bytes, asked_at: int) -> None:
        query = _reread(request).child(NS_MUC_ADMIN, "query")
        for item in query.elements if query is not None else ():
            jid = jids.bare(self._addresses.accept(item.get("jid")))
            affiliation = item.get("affiliation")
            if affiliation in AFFILIATIONS and self._hosts.is_user(jid):
                # What came after the request may have been said after a removal.
                occupant = Occupant(room=room, jid=jid, affiliation=affiliation, lost_at=asked_at)
                self._rooms.note_granted(occupant)

    def _note_invited(self, stanza: Stanza) -> None:
        """Note invitations (section 7.8, XEP-0249): the room is asked later who is a member."""
        sender, recipient = jids.bare(stanza.sender), jids.bare(stanza.recipient)
        message = _reread(stanza.raw)
        direct = message.child(*_DIRECT_INVITATION)
        x = message.child(NS_MUC_USER, "x")
        if direct is not None:
            room = jids.bare(self._addresses.accept(direct.get("jid")))
            self._rooms.note_invited(room, recipient)
        elif self._rooms.has_archive(sender):
            self._rooms.note_invited(sender, recipient)
        elif x is not None:
            for invite in x.elements[:INVITED_MAX]:
                invited = jids.bare(self._addresses.accept(invite.get("to")))
                self._rooms.note_invited(recipient, invited)


@dataclass(slots=True, eq=False)
class _PendingQuery:
    """A query to a room that is not answered yet."""

    is_outdated: bool = False  #: whether the room has changed since it was sent


class RoomQueries:
    """Asks rooms for their features; implements `core.access.rooms.RoomInfo`."""

    def __init__(
        self, stream: Stream, privileges: Privileges, *, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._stream = stream
        self._privileges = privileges
        self._timeout = timeout
        self._answers: TTLCache[str, frozenset[str]] = TTLCache(
            REMEMBERED_MAX, REMEMBERED_SECONDS, timer=time.monotonic
        )
        self._pending: dict[str, list[_PendingQuery]] = {}  # by room
        stream.add_event_handler("session_start", lambda _: self._answers.clear())

    def forget(self, room: str) -> None:
        """Forget the answer of a room, because the room has changed."""
        self._answers.pop(room, None)
        for query in self._pending.get(room, ()):
            query.is_outdated = True

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room (XEP-0045 section 6.4), None if it does not answer."""
        features = self._answers.get(room)
        if features is None:
            features = await self._ask_until_current(room)
            # That a room does not answer is not remembered.
            if features is not None:
                self._answers[room] = features
        return features

    async def _ask_until_current(self, room: str) -> frozenset[str] | None:
        """Ask a room, and again if it has changed before its answer came."""
        while True:
            query = _PendingQuery()
            queries = self._pending.setdefault(room, [])
            queries.append(query)
            try:
                features = await self._ask(room)
            finally:
                queries.remove(query)
                if not queries:
                    self._pending.pop(room, None)
            if not query.is_outdated:
                return features

    async def _ask(self, room: str) -> frozenset[str] | None:
        query = f"<query xmlns='{NS_DISCO_INFO}'/>"
        host = self._privileges.host_getting(NS_DISCO_INFO)
        try:
            if host is not None:
                answer = await ask_as_host(self._stream, host, room, query, patience=self._timeout)
            else:
                answer = await self._stream.ask("get", room, query, patience=self._timeout)
        except (IqError, IqTimeout):
            answer = None
        if answer is None:
            log.debug("%s does not answer a query for its features", room)
            return None
        elements = answer.iterfind(f"{{{NS_DISCO_INFO}}}query/{{{NS_DISCO_INFO}}}feature")
        return frozenset(feature.get("var", "") for feature in elements)


def _affiliation(presence: Element, raw: bytes) -> str | None:
    """Return the affiliation of the recipient of a presence, None if it has none."""
    if presence.get("type") == "error":
        return _affiliation_by_error(raw)
    if presence.child(NS_MUC_USER, "x") is None or _SELF.encode() not in raw:
        return None
    stanza = _reread(raw)
    x = stanza.child(NS_MUC_USER, "x")
    item = x.child(NS_MUC_USER, "item") if x else None
    affiliation = item.get("affiliation") if item else ""
    return affiliation if _SELF in _codes(stanza) and affiliation in AFFILIATIONS else None


def _is_destroyed(raw: bytes) -> bool:
    """Return whether a presence says that its room was destroyed (XEP-0045 section 10.9)."""
    if b"destroy" not in raw:
        return False
    x = _reread(raw).child(NS_MUC_USER, "x")
    return x is not None and any(child.name == "destroy" for child in x.elements)


def _codes(presence: Element) -> list[str]:
    """Return the status codes of a presence that `_reread` returned."""
    x = presence.child(NS_MUC_USER, "x")
    return [child.get("code") for child in x.elements if child.name == "status"] if x else []


def _affiliation_by_error(raw: bytes) -> str | None:
    """Return the affiliation of a user whom a room refused, None if the error does not have it."""
    error = _reread(raw).child(NS_CLIENT, "error")
    names = [child.name for child in error.elements if child.ns == NS_STANZAS] if error else []
    return next((_REFUSALS[name] for name in names if name in _REFUSALS), None)


def _lone_item(stanza: Stanza) -> Element | None:
    """Return the <item/> of a message, None if the message has any other payload.

    Rooms pass on the payloads that users add to a declined invitation, so these do not count.
    """
    if [(child.ns, child.name) for child in stanza.element.elements] != [(NS_MUC_USER, "x")]:
        return None
    x = _reread(stanza.raw).child(NS_MUC_USER, "x")
    items = x.elements if x else []
    return items[0] if [item.name for item in items] == ["item"] else None


def _reread(raw: bytes) -> Element:
    """Parse a stanza to a greater depth than the stream's parser keeps."""
    return parse(raw, keep_depth=2)
