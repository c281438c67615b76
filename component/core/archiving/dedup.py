"""Recognise the copies of one message, and make the key by which the store recognises it.

Copies are one message if they are alike and near in time, or if their delays have the same time.
Copies of one delivery follow each other within milliseconds, but a busy server or a take-over may
delay some of them for seconds. An id shows that they are copies nevertheless, for a minute: it is
unique in one stream only (RFC 6120 section 8.1.3), so a client may use it for the same content
again. Content without an id may be sent again at once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TypeVar

from component.core.archiving.deliveries import Deliveries, Delivery
from component.core.archiving.route import Candidate, Router
from component.core.archiving.sessions import Sessions
from component.core.hosts import Hosts
from component.core.messages.describe import room_id
from component.core.xml import jids
from component.core.xml.stanza import NS_STANZA_ID, ORIGIN_BYTES, Stanza, digest_of
from component.core.xml.times import now

#: If a stanza that is alike comes this long after the last copy, it is another message.
NEAR = 2_000_000  # microseconds

#: With an id it is another message only if it comes this long after the first copy, too.
LATE = 60_000_000  # microseconds

#: If the sender sends a presence this long after the last copy, it may begin another session.
APART = 50_000  # microseconds

#: The length of a slot of time. Messages that are alike are numbered within a slot. The slot is
#: part of the key in the store, which recognises a copy after a restart or, if the copy comes from
#: the offline store, days later.
SLOT = 60_000_000  # microseconds

#: Another process may get a copy so much earlier or later, and count it in another slot.
EDGE = 15_000_000  # microseconds

#: The same for messages with an id, which nothing else resembles: in a burst, one process may be
#: slower than another.
EDGE_WITH_ID = 30_000_000  # microseconds

#: The first copy of an offline message may be read so many slots late, after a burst. With an id
#: it is recognised nevertheless.
LATE_SLOTS = 5

#: A key in the store begins with the slot, so that the keys of new messages are neighbours in the
#: index of the store: a batch changes a few pages of it, however large the archive is.
_SLOT_BYTES = 4
_SLOT_MASK = (1 << 8 * _SLOT_BYTES) - 1
_DIGEST_BYTES = ORIGIN_BYTES - _SLOT_BYTES

#: The maximum size of each cache of messages: some 9,000 with addresses of usual length.
REMEMBERED_BYTES = 4 * 1024 * 1024

#: The approximate size of a remembered message without its addresses, which its sender chooses.
_MESSAGE_BYTES = 400

_ORIGIN_ID = (NS_STANZA_ID, "origin-id")


@dataclass(slots=True, eq=False)
class RecentMessage:
    """A message, as far as its copies show it."""

    sender: str
    recipient: str  #: of the first copy
    key: bytes  #: the same for all copies
    first: int  #: when it was sent, microseconds
    last: int  #: when its last copy was seen
    number: int  #: counts the messages of this key in one slot
    has_id: bool = False  #: its sender gave it an id
    has_origin_id: bool = False  #: its sender gave it an id that is unique everywhere (XEP-0359)
    is_named_by_room: bool = False  #: the room gave it an id, so the key alone identifies it
    is_delayed: bool = False  #: whether its first copy came out of an offline store
    #: slots in which another process, or an earlier one, may count it, and its number in each: two
    #: at most
    elsewhere: tuple[tuple[int, int], ...] = ()
    delivery: Delivery | None = None  #: to a recipient whose own copy will prove the delivery

    @property
    def owed(self) -> Delivery | None:
        """Its delivery, if the recipient has got the message, but his archive has not."""
        return self.delivery if self.delivery is not None and self.delivery.is_owed else None

    @property
    def slot(self) -> int:
        """The slot of time in which the message is numbered."""
        return self.first // SLOT

    @property
    def late_slots(self) -> int:
        """How many slots of time after it was sent its first copy may have been read."""
        return LATE_SLOTS if self.has_id else 1

    @property
    def dedup_key(self) -> bytes:
        """The key of the message in the store."""
        return self.key if self.is_named_by_room else self._key_in(self.slot, self.number)

    @property
    def alternative_keys(self) -> tuple[bytes, ...] | None:
        """Other keys under which the store may have the message.

        A delayed copy has a time of the server's clock, so the neighbouring slots count too.
        """
        places = self.elsewhere
        if not places and self.is_delayed:
            slots = (-1, *range(1, self.late_slots + 1))
            places = tuple((self.slot + n, self.number) for n in slots)
        return tuple(self._key_in(*place) for place in places) or None

    def _key_in(self, slot: int, number: int) -> bytes:
        return _key_in_slot(self.key, slot, number)


def keys_near(key: bytes, at: int) -> tuple[bytes, ...]:
    """Return the dedup keys that the store has for the first copy of a message at about a time.

    `key` is the one that all copies share. The clocks of two archives differ by less than a slot.
    """
    return tuple(_key_in_slot(key, at // SLOT + n, 0) for n in (-1, 0, 1))


def _key_in_slot(key: bytes, slot: int, number: int) -> bytes:
    digest = blake2b(b"%b %d %d" % (key, slot, number), digest_size=_DIGEST_BYTES).digest()
    return (slot & _SLOT_MASK).to_bytes(_SLOT_BYTES, "big") + digest


_Remembered = TypeVar("_Remembered", bound=RecentMessage | None)


def _size_of(message: RecentMessage | None) -> int:
    if message is None:
        return _MESSAGE_BYTES
    return _MESSAGE_BYTES + len(message.sender) + len(message.recipient)


class _Memory(OrderedDict[bytes, _Remembered]):
    """The last messages by key, within a number of bytes.

    Every message passes here: a cache of cachetools takes three times the time and the memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def remember(self, key: bytes, message: _Remembered) -> None:
        """Remember a message; beyond the limit, forget those that were remembered first."""
        if key in self:
            self._bytes -= _size_of(self.pop(key))
        self[key] = message
        self._bytes += _size_of(message)
        while self._bytes > REMEMBERED_BYTES:
            self._bytes -= _size_of(self.forget_first())

    def forget_first(self) -> _Remembered:
        """Forget the message that was remembered first, and return it."""
        return self.popitem(last=False)[1]


class _DeliveryMemory(_Memory[RecentMessage]):
    """A memory of messages whose deliveries may be undecided."""

    def __init__(self, deliveries: Deliveries) -> None:
        super().__init__()
        self._deliveries = deliveries

    def forget_first(self) -> RecentMessage:
        """Forget a message. An undecided delivery of it counts as one that arrived.

        The copy that would prove it is not recognised any longer. A server that is busy may make
        that copy after those of thousands of other messages.
        """
        message = super().forget_first()
        if message.delivery is not None:
            self._deliveries.assume(message.delivery)
        return message


class _LiveMemory(_DeliveryMemory):
    """A memory that knows since when it has all messages."""

    def __init__(self, deliveries: Deliveries) -> None:
        super().__init__(deliveries)
        self.complete_since: int | None = None  #: microseconds; None: nothing was remembered yet

    def forget_first(self) -> RecentMessage:
        message = super().forget_first()
        self.complete_since = max(self.complete_since or 0, message.first)
        return message


class Deduplicator:
    """Remembers the last messages, and recognises their copies."""

    def __init__(
        self,
        hosts: Hosts,
        router: Router,
        sessions: Sessions,
        deliveries: Deliveries,
        *,
        is_shared: bool = False,
    ) -> None:
        """`is_shared` says whether other processes get the same copies."""
        self._is_shared = is_shared
        self._hosts = hosts
        self._router = router
        self._sessions = sessions
        self._deliveries = deliveries
        self._live = _LiveMemory(deliveries)
        #: Apart from those with an id: if the memory forgets one of these, the store still
        #: recognises it, but without an id nothing tells a copy from the same content sent again.
        self._live_without_id = _LiveMemory(deliveries)
        self._delayed = _DeliveryMemory(deliveries)
        self._named_by_room = _Memory[RecentMessage]()
        #: messages by the bytes of a copy; None: such a stanza is not archived
        self._by_bytes = _Memory[RecentMessage | None]()

    def is_repeated(self, host: str, raw: bytes) -> bool:
        """Return whether these bytes are one more copy of a known stanza, and note that copy.

        `host` is the virtual host that sent the copy. A copy of a message that is owed to its
        recipient is not repeated: it has to be read.
        """
        key = _digest(raw)
        message = self._by_bytes.get(key)
        if message is None:
            return key in self._by_bytes
        # Anybody may send us something that looks like a copy.
        is_log = host in self._hosts and host in (
            jids.domain(message.sender),
            jids.domain(message.recipient),
        )
        is_copy = is_log and self._is_copy(message, host, now(), message.recipient)
        return is_copy and message.owed is None

    def remember_bytes(self, raw: bytes, message: RecentMessage | None) -> None:
        """Remember the message that has these bytes; None: such a stanza is not archived."""
        self._by_bytes.remember(_digest(raw), message)

    def identify(
        self, stanza: Stanza, candidate: Candidate, at: int, host: str
    ) -> tuple[RecentMessage, bool]:
        """Return the message that a stanza is a copy of, and whether it is the first copy.

        The first copy is remembered as a new message. `host` made the copy at the time `at`.
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
        # A room gives each message an id of its own (XEP-0359). If it gives none, an author can
        # forge the same id into several messages, so the content is part of the key too.
        key = digest_of([stanza.sender.encode(), name.encode(), stanza.key("")])
        if message := self._named_by_room.get(key):
            return message, False
        return _add(self._named_by_room, None, key, stanza, at, at, is_named_by_room=True), True

    def _identify_live(
        self, stanza: Stanza, key: bytes, at: int, host: str
    ) -> tuple[RecentMessage, bool]:
        live = self._live_memory(stanza)
        if live.complete_since is None:
            live.complete_since = at
        message = live.get(key)
        if message is not None and self._is_copy(message, host, at, stanza.recipient):
            return message, False
        new = _add(live, message, key, stanza, at, at)
        if self._is_shared:
            new.elsewhere = _elsewhere(new, message)
        is_forgotten = message is None and at - live.complete_since < LATE
        if new.has_id and is_forgotten:
            # An earlier process, or this one, may have seen the first copy a minute ago.
            new.elsewhere = ((new.slot - 1, 0), *new.elsewhere[-1:])
        return new, True

    def _identify_delayed(
        self, stanza: Stanza, candidate: Candidate, key: bytes, since: int, at: int, host: str
    ) -> tuple[RecentMessage, bool]:
        """Identify a copy of a message that the recipient's server received at `since`."""
        live = self._live_memory(stanza).get(key)
        if live is not None and -SLOT < live.first - since < live.late_slots * SLOT:
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

    def _live_memory(self, stanza: Stanza) -> _LiveMemory:
        return self._live if _has_id(stanza) else self._live_without_id

    def _is_copy(self, message: RecentMessage, host: str, at: int, recipient: str) -> bool:
        """Return whether a stanza that is alike is one more copy of a message, and note it."""
        delivery = message.delivery
        is_expected = delivery is not None and self._deliveries.expects_copy(delivery, at)
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
        is_late = abs(at - message.last) >= NEAR
        if is_late and not (message.has_id and abs(at - message.first) < LATE):
            return True
        if not self._hosts.is_user(message.sender):
            return jids.resource(recipient) != "" and recipient == message.recipient
        if message.delivery is not None and message.delivery.is_refused:
            return True
        if message.has_origin_id:
            return False
        return self._sessions.last_presence(message.sender) - message.last > APART


def _add(
    memory: _Memory[RecentMessage],
    previous: RecentMessage | None,
    key: bytes,
    stanza: Stanza,
    since: int,
    at: int,
    *,
    is_named_by_room: bool = False,
    is_delayed: bool = False,
) -> RecentMessage:
    """Remember and return a new message, sent at `since`. Its first copy was made at `at`.

    `previous` is the message that `memory` has under this key.
    """
    number = 0
    if previous is not None and previous.slot == since // SLOT:
        number = previous.number + 1
    message = RecentMessage(
        stanza.sender,
        stanza.recipient,
        key,
        since,
        at,
        number,
        has_id=_has_id(stanza),
        has_origin_id=_ORIGIN_ID in stanza.payloads,
        is_named_by_room=is_named_by_room,
        is_delayed=is_delayed,
    )
    memory.remember(key, message)
    return message


def _elsewhere(
    message: RecentMessage, previous: RecentMessage | None
) -> tuple[tuple[int, int], ...]:
    """Return the slot in which another process may count a message, and its number there.

    `previous` is the last message that is alike: it is another one, in each process.
    """
    place = message.first % SLOT
    edge = EDGE_WITH_ID if message.has_id else EDGE
    if place >= SLOT - edge:
        return ((message.slot + 1, 0),)
    if place >= edge or message.number:
        return ()
    is_counted = previous is not None and previous.slot == message.slot - 1
    number = previous.number + 1 if previous is not None and is_counted else 0
    return ((message.slot - 1, number),)


def _taken_at(stanza: Stanza, at: int) -> int:
    """Return when the recipient's server claims to have received a message, at most `at`."""
    if not stanza.delays:
        return at
    home = jids.domain(stanza.recipient)
    return min([at, *(stamp for server, stamp in stanza.delays if server == home)])


def _has_id(stanza: Stanza) -> bool:
    """Return whether the sender of a message gave it an id."""
    return stanza.id != "" or _ORIGIN_ID in stanza.payloads


def _is_senders_copy(host: str, message: RecentMessage) -> bool:
    """Return whether a copy was made when a message was sent: a host logs its own users only."""
    return host == jids.domain(message.sender) != jids.domain(message.recipient)


@lru_cache(1)  # `is_repeated` needs it, and then `remember_bytes`
def _digest(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=ORIGIN_BYTES).digest()
