"""From one copy of a stanza to entries in the right archives, once each.

ejabberd sends a copy for every hook and resource a message passes, all alike and without a
direction. `core.copies` says which of them are one message. The side of the sender is written at
once, that of the recipient when it is known to be delivered: by `core.deliveries` where a user of
ours sent it, for then the first copy was made before that.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from hashlib import blake2b

from component.core.archiving import sanitise
from component.core.archiving.copies import (
    APART,
    NEAR,
    REMEMBERED,
    SLOT,
    RecentMessage,
    RecentMessages,
    dedup_keys,
)
from component.core.archiving.deliveries import Deliveries, Delivery
from component.core.archiving.policy import STORE, Policy
from component.core.archiving.recent import SeenCache
from component.core.archiving.sessions import GIVEN_OUT, Sessions
from component.core.archiving.writer import Queue
from component.core.hosts import Hosts
from component.core.messages.describe import describe, room_name
from component.core.xml import jids
from component.core.xml.namespaces import standalone
from component.core.xml.stanza import GROUPCHAT, ORIGIN_BYTES, Stanza, digest_of
from component.core.xml.times import now
from storage.rows import Direction, NewMessage

#: In what order an error may mean messages that are alike but for their type, which it does not
#: tell: those first that a server never keeps.
_ANSWERED = (GROUPCHAT, "headline", "chat", "normal")

#: One archive that a message belongs to: its owner, the full JID of the other side, and which way.
_Side = tuple[str, str, Direction]


class Ingest:
    """Takes copies of stanzas and queues what is to be written."""

    def __init__(
        self,
        writer: Queue,
        policy: Policy,
        hosts: Hosts,
        *,
        sessions: Sessions,
        deliveries: Deliveries,
    ) -> None:
        self._writer = writer
        self._policy = policy
        self._hosts = hosts
        self._sessions = sessions
        self._deliveries = deliveries
        self._live, self._kept = RecentMessages(), RecentMessages()
        self._named = SeenCache()  # messages of rooms, by the ids that the rooms gave them
        #: which message stanzas are, by their bytes; None: what is not archived
        self._by_bytes: OrderedDict[bytes, RecentMessage | None] = OrderedDict()
        self._said_in_rooms = (
            SeenCache()
        )  # by our users; rooms send it back to them as to all others

    def was_here(self, host: str, raw: bytes) -> bool:
        """Whether these bytes, in a copy of this host, are one more copy of what was taken.

        It is noted then, and nothing else need be known of it.
        """
        key = _digest(raw)
        if key not in self._by_bytes:
            return False
        message = self._by_bytes[key]
        if message is None:
            return True
        # Anybody may send us what looks like a copy.
        is_log = host in self._hosts and host in (
            jids.domain(message.sender),
            jids.domain(message.recipient),
        )
        return is_log and self._is_copy(message, host, now(), message.recipient)

    def take(self, stanza: Stanza, at: int, host: str = "") -> None:
        """Archive a stanza in a copy that a host made at that time, unless it was before.

        Raises Malformed.
        """
        if stanza.type == "error":
            self._refused(stanza)
            return
        raw = stanza.raw
        if not stanza.recipient:
            # Then it is for oneself, RFC 6120 section 10.3.1.
            stanza = stanza._replace(recipient=jids.bare(stanza.sender))
        if stanza.type == GROUPCHAT and stanza.id and self._hosts.is_user(stanza.sender):
            self._said_in_rooms.put(_said(stanza.sender, stanza.recipient, stanza.id), at)
        message = self._into_users(stanza, at, host)
        # What a room sends is told by its recipients, and may be news for others than us.
        if self._hosts.is_user(stanza.sender) and (message or stanza.id):
            self._by_bytes[_digest(raw)] = message
            if len(self._by_bytes) > REMEMBERED:
                self._by_bytes.popitem(last=False)
        if self._hosts.room_services and stanza.type == GROUPCHAT:
            self._into_room(stanza, at)

    def _into_users(self, stanza: Stanza, at: int, host: str) -> RecentMessage | None:
        """Archive for users; return which message a copy is, None where it is not kept."""
        keep, _ = self._policy.judge(stanza)
        sides = self._sides(stanza) if keep else []
        if not sides:
            return None
        since = _kept_since(stanza, at)
        key = stanza.key(self._addressee(stanza))
        live = self._live.get(key)
        if since < at:
            return self._take_delayed(stanza, sides, key, since, at, host)
        if live is not None and self._is_copy(live, host, at, stanza.recipient):
            return live
        message = self._live.add(key, stanza, at, at)
        self._archive(
            stanza,
            sides,
            key,
            message,
            at,
            is_delivered=self._is_of_recipient(stanza, host),
        )
        return message

    def _take_delayed(
        self, stanza: Stanza, sides: list[_Side], key: bytes, since: int, at: int, host: str
    ) -> RecentMessage:
        """Archive what the server of the recipient took into its keeping; return which it is."""
        live, kept = self._live.get(key), self._kept.get(key)
        is_delivered = not self._hosts.is_user(stanza.sender) or self._is_given_out(
            stanza, since, at
        )
        if live is not None and abs(since - live.first) < SLOT:
            if is_delivered and live.delivery is not None:
                self._deliveries.received(live.delivery, at)
            return live
        if kept is not None and kept.first == since:
            self._is_copy(kept, host, at, stanza.recipient)
            return kept
        message = self._kept.add(key, stanza, since, at)
        self._archive(stanza, sides, key, message, at, is_delivered=is_delivered, is_delayed=True)
        return message

    def _is_given_out(self, stanza: Stanza, since: int, at: int) -> bool:
        """Whether a user of ours has come lately, as who is given what was kept offline.

        Anybody can write a delay, also one whom the recipient has blocked.
        """
        came = self._sessions.announced(jids.bare(stanza.recipient))
        return since <= came and at - came < GIVEN_OUT

    def _is_copy(self, message: RecentMessage, host: str, at: int, recipient: str = "") -> bool:
        """Whether what is alike is one more copy of a message; that is noted then."""
        delivery = message.delivery
        if delivery is not None and delivery not in self._deliveries:
            delivery = None
        is_expected = delivery is not None and self._sessions.reaches(
            delivery.recipient, delivery.at
        )
        if not is_expected and self._is_new(message, at, recipient):
            return False
        message.last = at
        if delivery is not None and not _is_of_sender(host, message):
            self._deliveries.received(delivery, at)
        return True

    def _is_new(self, message: RecentMessage, at: int, recipient: str) -> bool:
        """Whether what is alike was said again: later, in another session, or to the same place.

        A room sends a message to each session of an occupant once.
        """
        if abs(at - message.last) >= NEAR:
            return True
        if not self._hosts.is_user(message.sender):
            return jids.resource(recipient) != "" and recipient == message.recipient
        if message.delivery is not None and message.delivery.is_refused:
            return True
        return self._sessions.heard(message.sender) - message.last > APART

    def _archive(
        self,
        stanza: Stanza,
        sides: list[_Side],
        key: bytes,
        message: RecentMessage,
        at: int,
        *,
        is_delivered: bool,
        is_delayed: bool = False,
    ) -> None:
        """Archive a new message: for its sender now, for its recipient when it is delivered."""
        origin, twins = dedup_keys(key, message, is_delayed=is_delayed)
        xml = sanitise.for_user(stanza, self._hosts)
        entries = self._entries(
            stanza, sides, xml, self._taken(stanza, at, message.first), origin, twins
        )
        owner = jids.bare(stanza.recipient)
        if is_delivered or owner == jids.bare(stanza.sender):
            self._writer.put(entries)
            return
        self._writer.put([one for one in entries if one.owner != owner])
        received = [one for one in entries if one.owner == owner]
        if received:
            message.delivery = Delivery(
                message=key,
                recipient=stanza.recipient,
                at=at,
                entries=received,
                waits_offline=_waits_offline(stanza),
                bytes=len(xml),
            )
            self._deliveries.open(message.delivery)

    def _is_of_recipient(self, stanza: Stanza, host: str) -> bool:
        """Whether a first copy can only be that of the recipient: there is none of the sender.

        A client always sends from its full JID; a server may write from that of an account.
        """
        sender = stanza.sender
        if not self._hosts.is_user(sender) or not jids.resource(sender):
            return True
        return host == jids.domain(stanza.recipient) != jids.domain(sender)

    def _into_room(self, stanza: Stanza, at: int) -> None:
        """Archive what a room sends to its occupants for the room itself, once."""
        room = jids.bare(stanza.sender)
        if not self._hosts.is_room(room):
            return
        keep, _ = self._policy.judge_for_room(stanza)
        if not keep:
            return
        name, twins = room_name(stanza), None
        if name:
            # A room gives each message an id of its own (XEP-0359). Where it gives none, an author
            # can write the same one into several messages, so what they say counts too.
            origin = digest_of([stanza.sender.encode(), name.encode(), stanza.key("")])
            if self._named.first_seen(origin, at) is not None:
                return
        else:
            key = stanza.key("")
            known = self._live.get(key)
            if known is not None and self._is_copy(known, "", at, stanza.recipient):
                return
            message = self._live.add(key, stanza, at, at)
            origin, twins = dedup_keys(key, message)
        side = (room, stanza.sender, Direction.RECEIVED)
        xml = sanitise.for_room(stanza, self._hosts)
        self._writer.put(self._entries(stanza, [side], xml, at, origin, twins))

    def _entries(
        self,
        stanza: Stanza,
        sides: list[_Side],
        raw: bytes,
        at: int,
        origin: bytes,
        twins: tuple[bytes, bytes] | None,
    ) -> list[NewMessage]:
        """Return the entries of a stanza for some sides."""
        # What is taken out of a stanza declares nothing for the rest of it.
        xml = (raw if stanza.element.is_bound else standalone(raw)).decode()
        meaning = describe(stanza)
        entries = []
        for owner, other, direction in sides:
            peer, resource = jids.bare(other), jids.resource(other)
            names, about = meaning.name_hashes(peer, resource, stanza.type, direction)
            entries.append(
                NewMessage(
                    owner=owner,
                    at=at,
                    peer=peer,
                    resource=resource,
                    type=stanza.type,
                    direction=direction,
                    xml=xml,
                    dedup_key=origin,
                    alternative_keys=twins,
                    nick=resource if stanza.type == GROUPCHAT else "",
                    kind=meaning.kind,
                    text=meaning.text,
                    name_hashes=names,
                    refers_to=about,
                    relation=meaning.relation,
                    is_seen=meaning.is_seeing and self._is_own(stanza, owner, direction),
                )
            )
        return entries

    def _is_own(self, stanza: Stanza, owner: str, direction: Direction) -> bool:
        """Whether the owner of an archive wrote a message, to a room too."""
        if direction is Direction.SENT or stanza.type != GROUPCHAT:
            return direction is Direction.SENT
        return _said(owner, stanza.sender, stanza.id) in self._said_in_rooms

    def _sides(self, stanza: Stanza) -> list[_Side]:
        """Return whose archives a stanza belongs to."""
        sides = []
        # A room sends each message back to its author too, and that is the one to keep.
        if stanza.type != GROUPCHAT and self._hosts.is_user(stanza.sender):
            sides.append((jids.bare(stanza.sender), stanza.recipient, Direction.SENT))
        if self._hosts.is_user(stanza.recipient):
            owner = jids.bare(stanza.recipient)
            # A message to oneself is in one archive, once.
            if not sides or sides[0][0] != owner:
                sides.append((owner, stanza.sender, Direction.RECEIVED))
        return sides

    def _is_user(self, address: str) -> bool:
        return jids.domain(address) in self._hosts and jids.local(address) != ""

    def _addressee(self, stanza: Stanza) -> str:
        """The recipient, without the resource where a room sends to each resource in it apart."""
        is_of_room = stanza.type == GROUPCHAT or sanitise.MUC_USER in stanza.payloads
        if is_of_room and self._hosts.is_user(stanza.recipient):
            return jids.bare(stanza.recipient)
        return stanza.recipient

    def _taken(self, stanza: Stanza, at: int, since: int) -> int:
        """When a message came to its recipient's server, as far as that can be believed.

        Anybody can write a delay, and ejabberd adds none where there is one of its domain. So none
        is believed but of a time at which the recipient was away, when he has just come back; none
        in what a room says to who is in it; and none from our own users, whose messages were seen
        when they were sent.
        """
        if self._hosts.is_user(stanza.sender):
            return at
        is_live = stanza.type == GROUPCHAT and jids.resource(stanza.recipient) != ""
        was_away = self._sessions.was_away(jids.bare(stanza.recipient), since, at)
        return since if was_away and not is_live else at

    def _refused(self, error: Stanza) -> None:
        """Drop the message that an error answers, if its delivery is undecided.

        An error says what it answers: the same id and children, the addresses exchanged
        (RFC 6120 section 8.3.1). The sender keeps the message: it was sent. A client cannot answer
        what it has not received, and what was received is decided.
        """
        if not self._hosts.is_user(error.sender):
            return
        sent = error._replace(sender=error.recipient, recipient=error.sender)
        for kind in _ANSWERED:
            sent = sent._replace(type=kind)
            if self._deliveries.refused(sent.key(self._addressee(sent))):
                return


@lru_cache(1)  # it is asked about, and then taken
def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=ORIGIN_BYTES).digest()


def _said(author: str, room: str, id: str) -> bytes:
    """Return what stands for a message of a user in a room."""
    return digest_of([jids.bare(author).encode(), jids.bare(room).encode(), id.encode()])


def _kept_since(stanza: Stanza, at: int) -> int:
    """When the recipient's own server says that it took the message: earlier if kept offline."""
    if not stanza.delays:
        return at
    home = jids.domain(stanza.recipient)
    return min([at, *(stamp for server, stamp in stanza.delays if server == home)])


def _is_of_sender(host: str, message: RecentMessage) -> bool:
    """Whether a copy was made when a message was sent: a host logs its own users only."""
    return host == jids.domain(message.sender) != jids.domain(message.recipient)


def _waits_offline(stanza: Stanza) -> bool:
    """Whether mod_offline keeps a message for a user who is away."""
    if stanza.type == "headline":
        return not jids.resource(stanza.recipient) and STORE in stanza.payloads
    return stanza.type != GROUPCHAT
