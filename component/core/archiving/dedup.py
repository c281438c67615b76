"""Which copies are one message, and by which key the store knows it.

Copies are one message if they are alike and near in time, or if they tell the same time. An id is
unique in one stream only (RFC 6120 section 8.1.3), so the same words with the same id may be sent
again. Copies of one delivery follow each other within milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from cachetools import FIFOCache

from component.core.archiving.deliveries import Deliveries, Delivery
from component.core.archiving.route import Candidate, Router
from component.core.archiving.sessions import Sessions
from component.core.hosts import Hosts
from component.core.messages.describe import room_id
from component.core.xml import jids
from component.core.xml.stanza import ORIGIN_BYTES, Stanza, digest_of
from component.core.xml.times import now

#: After so much silence the same words are another message.
NEAR = 2_000_000  # microseconds

#: A presence of the sender so long after the last copy may have begun another session.
APART = 50_000  # microseconds

#: Messages that are alike are numbered within such a slot of time. The slot is part of the key in
#: the store, by which a copy finds its message after a restart or, from the offline store, days
#: later.
SLOT = 60_000_000  # microseconds

#: How many messages each memory here holds.
REMEMBERED = 32_768


@dataclass(slots=True, eq=False)
class RecentMessage:
    """One message as its copies tell it."""

    sender: str
    recipient: str  #: of the first copy
    key: bytes  #: what all copies have in common
    first: int  #: when it was sent, microseconds
    last: int  #: when its last copy was seen
    number: int  #: counts the messages of this key in one slot
    is_named_by_room: bool = False  #: then the key alone names it
    is_delayed: bool = False  #: whether its first copy came out of an offline store
    delivery: Delivery | None = None  #: to a recipient whose own copy will prove the delivery

    @property
    def slot(self) -> int:
        """The slot of time in which it is numbered."""
        return self.first // SLOT

    @property
    def dedup_key(self) -> bytes:
        """The key of the message in the store."""
        return self.key if self.is_named_by_room else self._key_in(self.slot)

    @property
    def alternative_keys(self) -> tuple[bytes, bytes] | None:
        """Other keys under which the store may have it.

        A delayed copy tells its time by the server's clock, so the slots around its own count too.
        """
        if not self.is_delayed:
            return None
        return self._key_in(self.slot - 1), self._key_in(self.slot + 1)

    def _key_in(self, slot: int) -> bytes:
        name = b"%b %d %d" % (self.key, slot, self.number)
        return blake2b(name, digest_size=ORIGIN_BYTES).digest()


_Memory = FIFOCache[bytes, RecentMessage]


class Deduplicator:
    """Remembers the last messages, and knows their copies again."""

    def __init__(
        self,
        hosts: Hosts,
        router: Router,
        sessions: Sessions,
        deliveries: Deliveries,
    ) -> None:
        self._hosts = hosts
        self._router = router
        self._sessions = sessions
        self._deliveries = deliveries
        self._live: _Memory = FIFOCache(REMEMBERED)
        self._delayed: _Memory = FIFOCache(REMEMBERED)
        self._named_by_room: _Memory = FIFOCache(REMEMBERED)
        #: messages by the bytes of a copy; None: such a stanza is not archived
        self._by_bytes: FIFOCache[bytes, RecentMessage | None] = FIFOCache(REMEMBERED)

    def is_repeated(self, host: str, raw: bytes) -> bool:
        """Return whether these bytes are one more copy of a known stanza, and note that copy.

        `host` is the virtual host that sent the copy.
        """
        key = _digest(raw)
        if key not in self._by_bytes:
            return False
        message = self._by_bytes[key]
        if message is None:
            return True
        # Anybody may send us something that looks like a copy.
        is_log = host in self._hosts and host in (
            jids.domain(message.sender),
            jids.domain(message.recipient),
        )
        return is_log and self._is_copy(message, host, now(), message.recipient)

    def remember_bytes(self, raw: bytes, message: RecentMessage | None) -> None:
        """Remember which message these bytes are; None: they are not archived."""
        self._by_bytes[_digest(raw)] = message

    def identify(
        self, stanza: Stanza, candidate: Candidate, at: int, host: str
    ) -> tuple[RecentMessage, bool]:
        """Return the message that a stanza is a copy of, and whether it is the first copy.

        The first copy is remembered as a new message. `host` made the copy at that time.
        """
        if candidate.is_for_room:
            if name := room_id(stanza):
                return self._identify_by_room_id(stanza, name, at)
            return self._identify_live(stanza, stanza.key(""), at, host)
        key, since = self._router.key(stanza), _taken_at(stanza, at)
        if since < at:
            return self._identify_delayed(stanza, candidate, key, since, at, host)
        return self._identify_live(stanza, key, at, host)

    def _identify_by_room_id(
        self, stanza: Stanza, name: str, at: int
    ) -> tuple[RecentMessage, bool]:
        # A room gives each message an id of its own (XEP-0359). Where it gives none, an author can
        # forge the same id into several messages, so the content is part of the key too.
        key = digest_of([stanza.sender.encode(), name.encode(), stanza.key("")])
        if known := self._named_by_room.get(key):
            return known, False
        return _add(self._named_by_room, None, key, stanza, at, at, is_named_by_room=True), True

    def _identify_live(
        self, stanza: Stanza, key: bytes, at: int, host: str
    ) -> tuple[RecentMessage, bool]:
        known = self._live.get(key)
        if known is not None and self._is_copy(known, host, at, stanza.recipient):
            return known, False
        return _add(self._live, known, key, stanza, at, at), True

    def _identify_delayed(
        self, stanza: Stanza, candidate: Candidate, key: bytes, since: int, at: int, host: str
    ) -> tuple[RecentMessage, bool]:
        """Identify a copy of a message that the recipient's server took at `since`."""
        live = self._live.get(key)
        if live is not None and abs(since - live.first) < SLOT:
            if live.delivery is not None and not self._router.awaits_delivery(
                stanza, candidate.sides, since, at, host
            ):
                self._deliveries.deliver(live.delivery, at)
            return live, False
        delayed = self._delayed.get(key)
        if delayed is not None and delayed.first == since:
            self._is_copy(delayed, host, at, stanza.recipient)
            return delayed, False
        return _add(self._delayed, delayed, key, stanza, since, at, is_delayed=True), True

    def _is_copy(self, message: RecentMessage, host: str, at: int, recipient: str) -> bool:
        """Return whether a stanza that is alike is one more copy of a message, and note it."""
        delivery = message.delivery
        if delivery is not None and delivery not in self._deliveries:
            delivery = None
        # While a recipient on line has no copy, anything alike is that copy.
        is_expected = delivery is not None and self._sessions.reaches(
            delivery.recipient, delivery.at
        )
        if not is_expected and self._is_sent_again(message, at, recipient):
            return False
        message.last = at
        if delivery is not None and not _is_senders_copy(host, message):
            self._deliveries.deliver(delivery, at)
        return True

    def _is_sent_again(self, message: RecentMessage, at: int, recipient: str) -> bool:
        """Return whether a stanza that is alike is another message.

        It is if it comes later, or in another session of the sender, or from a room to the same
        session: a room sends a message to each session of an occupant once.
        """
        if abs(at - message.last) >= NEAR:
            return True
        if not self._hosts.is_user(message.sender):
            return jids.resource(recipient) != "" and recipient == message.recipient
        if message.delivery is not None and message.delivery.is_refused:
            return True
        return self._sessions.last_presence(message.sender) - message.last > APART


def _add(
    memory: _Memory,
    before: RecentMessage | None,
    key: bytes,
    stanza: Stanza,
    since: int,
    at: int,
    *,
    is_named_by_room: bool = False,
    is_delayed: bool = False,
) -> RecentMessage:
    """Remember a new message, sent at `since`, of which the first copy was seen at that time.

    `before` is the message that the memory has of this key.
    """
    number = 0
    if before is not None and before.slot == since // SLOT:
        number = before.number + 1
    message = memory[key] = RecentMessage(
        stanza.sender, stanza.recipient, key, since, at, number, is_named_by_room, is_delayed
    )
    return message


def _taken_at(stanza: Stanza, at: int) -> int:
    """Return when the recipient's server says that it took a message, at the latest `at`."""
    if not stanza.delays:
        return at
    home = jids.domain(stanza.recipient)
    return min([at, *(stamp for server, stamp in stanza.delays if server == home)])


def _is_senders_copy(host: str, message: RecentMessage) -> bool:
    """Return whether a copy was made when a message was sent: a host logs its own users only."""
    return host == jids.domain(message.sender) != jids.domain(message.recipient)


@lru_cache(1)  # `is_repeated` asks for it, and then `remember_bytes`
def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=ORIGIN_BYTES).digest()
