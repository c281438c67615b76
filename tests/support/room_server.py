"""A server in the place of ejabberd that keeps rooms: who may do what, and their messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring
from xml.sax.saxutils import quoteattr

from component.core.messages.references import Side
from component.core.sessions.commands import Fail
from component.core.sessions.delivery import Delivery, Undelivered
from component.core.sessions.outgoing import (
    ChatState,
    Displayed,
    Invitations,
    Outgoing,
    Query,
    Request,
    RoomEntry,
    nick_of,
)
from component.core.xml.jids import bare
from component.core.xml.times import now
from component.sessions import stanzas
from storage.rows import Direction, Kind, NewMessage
from support.builders import dedup_key
from support.client_sessions import EchoServer

ADMIN = "http://jabber.org/protocol/muc#admin"
OWNER = "http://jabber.org/protocol/muc#owner"
DISCO = "http://jabber.org/protocol/disco#info"
FORM = "jabber:x:data"

#: What ejabberd offers, as far as anybody asks for it.
OPTIONS = (
    *(f"muc#roomconfig_{name}" for name in ("roomname", "persistentroom", "membersonly")),
    *(f"muc#roomconfig_{name}" for name in ("publicroom", "whois", "changesubject")),
    "allow_subscription",
)


@dataclass
class KeptRoom:
    """A room."""

    affiliations: dict[str, str]
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class RoomServer(EchoServer):
    """Keeps rooms, and archives each message once more in its room."""

    rooms_kept: dict[str, KeptRoom] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)  #: rooms that take no further requests
    offered: tuple[str, ...] = OPTIONS
    #: users whose sessions cannot log in
    signed_out: set[str] = field(default_factory=set)
    is_anonymous: bool = False  #: whether rooms hide their members from plain members
    gives_ids: bool = True  #: whether rooms give their messages ids

    def add_room(self, room: str, affiliations: Mapping[str, str], name: str = "") -> KeptRoom:
        """Have a room that XMPP clients have made."""
        kept = KeptRoom(dict(affiliations), {"muc#roomconfig_roomname": name})
        self.rooms_kept[room] = kept
        return kept

    def queries_of(self, owner: str) -> list[str]:
        """Return the payloads of the IQs of a user."""
        return [
            item.payload for jid, item in self.sent if jid == owner and isinstance(item, Query)
        ]

    @property
    def invitations(self) -> list[tuple[str, tuple[str, ...]]]:
        """The rooms that invited, and whom."""
        payloads = [(message.to, message.payload) for message in self.messages]
        return [(to, item.jids) for to, item in payloads if isinstance(item, Invitations)]

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room, as access.RoomInfo."""
        if room not in self.rooms_kept:
            return None
        visible = "muc_semianonymous" if self.is_anonymous else "muc_nonanonymous"
        return frozenset({"muc_membersonly", "muc_persistent", visible})

    def forget(self, room: str) -> None:
        """Do nothing: nothing is remembered."""

    @contextmanager
    def delivery(self, owner: str, message: Request) -> Iterator[Delivery]:
        """Take or refuse a stanza."""
        delivery = Delivery()
        self.sent.append((owner, message))
        if owner in self.signed_out:
            delivery.fail(Undelivered(Fail(message.id, "not-authorized", "Sign in again.")))
        elif isinstance(message, Query):
            self.answer(owner, message, delivery)
        elif isinstance(message, RoomEntry) and not self._is_member(owner, message.room):
            failure = Fail(message.id, "registration-required", "Members only.", by=message.room)
            delivery.fail(Undelivered(failure))
        elif isinstance(message, Outgoing):
            delivery.succeed()
            if not isinstance(message.payload, ChatState | Invitations):
                self.queue.put(self._rows(owner, message))
        else:
            delivery.succeed()
            if isinstance(message, RoomEntry):
                self.entered.add(message.room)
        yield delivery

    def answer(self, owner: str, query: Query, delivery: Delivery) -> None:
        """Answer an IQ to a room; there are no others."""
        element, room = fromstring(query.payload), query.to or ""  # noqa: S314 - of a test
        result = self._result(owner, query.type, element, room)
        if result.startswith("<") or not result:
            delivery.succeed(result)
        else:
            delivery.fail(Undelivered(Fail(query.id, result, "", by=room or owner)))

    def _result(self, owner: str, type: str, element: Element, room: str) -> str:
        """Return the result of an IQ, or the condition of its error."""
        kept = self.rooms_kept.get(room)
        if element.tag == f"{{{OWNER}}}query" and kept is None and room not in self.ended:
            kept = KeptRoom({owner: "owner"})
            # A room that nobody has made persistent ends as soon as it has answered.
            if type == "get":
                self.ended.add(room)
            else:
                self.rooms_kept[room] = kept
        if kept is None:
            return "item-not-found"
        if element.tag == f"{{{DISCO}}}query":
            name = quoteattr(kept.options.get("muc#roomconfig_roomname", ""))
            return f"<query xmlns='{DISCO}'><identity category='conference' name={name}/></query>"
        if element.tag == f"{{{OWNER}}}query":
            return self._configure(owner, type, element, room, kept)
        if element.tag == f"{{{ADMIN}}}query":
            return self._affiliate(owner, type, element, kept)
        return "service-unavailable" if "mucsub" not in element.tag else ""

    def _configure(
        self, owner: str, type: str, element: Element, room: str, kept: KeptRoom
    ) -> str:
        if kept.affiliations.get(owner) != "owner":
            return "forbidden"
        if element.find(f"{{{OWNER}}}destroy") is not None:
            del self.rooms_kept[room]
        elif type == "set":
            for item in element.iter(f"{{{FORM}}}field"):
                kept.options[item.get("var", "")] = item.findtext(f"{{{FORM}}}value") or ""
        else:
            fields = "".join(f"<field var='{name}'/>" for name in self.offered)
            return f"<query xmlns='{OWNER}'><x xmlns='{FORM}' type='form'>{fields}</x></query>"
        return ""

    def _affiliate(self, owner: str, type: str, element: Element, kept: KeptRoom) -> str:
        own = kept.affiliations.get(owner, "none")
        items = element.findall(f"{{{ADMIN}}}item")
        if type == "get":
            if own not in ("owner", "admin") and (self.is_anonymous or own != "member"):
                return "forbidden"
            [asked] = [item.get("affiliation") for item in items]
            matching = [jid for jid, one in kept.affiliations.items() if one == asked]
            listed = "".join(f"<item affiliation='{asked}' jid='{jid}'/>" for jid in matching)
            return f"<query xmlns='{ADMIN}'>{listed}</query>"
        if own not in ("owner", "admin"):
            return "not-allowed"
        for item in items:
            kept.affiliations[bare(item.get("jid", ""))] = item.get("affiliation", "")
        return ""

    def _is_member(self, jid: str, room: str) -> bool:
        kept = self.rooms_kept.get(room)
        return kept is not None and kept.affiliations.get(jid) in ("owner", "admin", "member")

    def _rows(self, owner: str, message: Outgoing) -> list[NewMessage]:
        """Return a message in the archives of its author and of the peer or the room."""
        stanza = stanzas.message(message)
        is_receipt = isinstance(message.payload, Displayed)
        peer, number = bare(message.to), len(self.sent)
        stanza.set("from", f"{peer}/{nick_of(owner)}" if message.room else f"{owner}/here")
        stanza_id = f"room-id-{number:06d}" if self.gives_ids and message.room else ""
        if stanza_id:
            SubElement(stanza, "{urn:xmpp:sid:0}stanza-id", {"by": peer, "id": stanza_id})
        row = NewMessage(
            owner=owner,
            at=now(),
            peer=peer,
            resource="",
            type=message.type,
            direction=Direction.SENT,
            xml=tostring(stanza, "unicode"),
            dedup_key=dedup_key((owner, message.id)),
            kind=Kind.RECEIPT if is_receipt else Kind.MESSAGE,
            text=getattr(message.payload, "body", "").lower(),
            # A receipt proves it up to its target alone, which nothing here looks for.
            is_seen=not is_receipt,
        )
        received = Direction.RECEIVED
        if message.room is None:
            other = row._replace(owner=peer, peer=owner, direction=received, is_seen=False)
            return [_with_names(one, message.id) for one in (row, other)]
        in_room = row._replace(
            owner=message.room,
            resource=nick_of(owner),
            nick=nick_of(owner),
            direction=received,
            author=owner,
            stanza_id=stanza_id,
        )
        return [_with_names(in_room, message.id)]


def _with_names(row: NewMessage, id: str) -> NewMessage:
    """Return a message with the name hashes that ingest gives to it."""
    side = Side(row.peer, row.resource, row.type, row.direction)
    return row._replace(name_hashes=side.name_hashes([id], row.stanza_id or None))
